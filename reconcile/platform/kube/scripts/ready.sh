# Ready is a server that answers and has its data, as a replica its master's: the
# disruption budget counts who is ready, and while a replica has not got all, its
# master must not be evicted. Whether the cluster is whole does not matter: pods
# that wait for it would never form one.
. /slotwright/conf/cli.sh
if [ "$(ask PING)" != PONG ]; then
	[ -f "$given" ] || exit 1
	REDISCLI_AUTH=$(first_line "$given") # somebody may have set it on the server
	[ "$(ask PING)" = PONG ] || exit 1
	(umask 077 && rm -f /run/slotwright/next /run/slotwright/since && printf %s "$REDISCLI_AUTH" >"$login")
fi
. /slotwright/conf/renew.sh
case "$(ask INFO replication)" in *role:slave*master_link_status:down*) exit 1 ;; esac
exit 0
