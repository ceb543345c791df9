# Ready is a server that answers and has its data, as a replica its master's: the
# disruption budget counts who is ready, and while a replica has not got all, its
# master must not be evicted. Whether the cluster is whole does not matter: pods
# that wait for it would never form one.
. /slotwright/conf/cli.sh
lets_in() {
	[ "$(ask PING)" != PONG ] || return 0
	[ -f "$given" ] || return 1
	before=$REDISCLI_AUTH
	REDISCLI_AUTH=$(first_line "$given") # somebody may have set it on the server
	if [ "$(ask PING)" != PONG ]; then
		REDISCLI_AUTH=$before
		return 1
	fi
	(umask 077 && rm -f /run/slotwright/next /run/slotwright/since && printf %s "$REDISCLI_AUTH" >"$login")
}
if ! lets_in; then
	noted=$certs certs=/slotwright/tls # a probe that set them may have ended before it noted so
	[ -d "$certs" ] && lets_in && set_certificates || exit 1 # or the server was only too busy to answer
	certs=$noted
	take_certificates
fi
. /slotwright/conf/renew.sh
case "$(ask INFO replication)" in *role:slave*master_link_status:down*) exit 1 ;; esac
exit 0
