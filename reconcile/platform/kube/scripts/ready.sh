# Ready is a server that answers and has its data. Whether the cluster is whole
# does not matter: pods that wait for it would never form one.
. /slotwright/conf/cli.sh
if [ "$(ask PING)" != PONG ]; then
	[ -f "$given" ] || exit 1
	REDISCLI_AUTH=$(first_line "$given") # somebody may have set it on the server
	[ "$(ask PING)" = PONG ] || exit 1
	(umask 077 && rm -f /run/slotwright/next /run/slotwright/since && printf %s "$REDISCLI_AUTH" >"$login")
fi
. /slotwright/conf/renew.sh
exit 0
