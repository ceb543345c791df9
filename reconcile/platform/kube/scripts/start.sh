# Puts redis.conf together from the cluster's part, this pod's addresses and the
# secrets, and runs the server.
set -eu
umask 077
trap 'exit 143' TERM # the first process of a container gets no signal it does not ask for
. /slotwright/conf/cli.sh
conf=/run/slotwright/redis.conf
(
	cd /run/slotwright
	rm -f next since
	[ ! -f "$given" ] || { first_line "$given" | tr -d '\n' >password; }
	[ ! -d /slotwright/tls ] || take_certificates
)
[ ! -f "$given" ] || REDISCLI_AUTH=$(cat "$login")
has_data() {
	for file in /data/appendonlydir/* /data/*.rdb /data/*.aof; do
		[ -s "$file" ] && return 0
	done
	return 1
}
{
	cat /slotwright/conf/redis.conf
	echo "cluster-announce-ip $POD_IP"
	echo "cluster-announce-hostname $POD_HOST"
	if [ -f "$login" ]; then
		password=$(quoted <"$login")
		printf 'masterauth %s\n' "$password" # the echo of some shells reads backslashes
		if [ -n "${SLOTWRIGHT_USER:-}" ]; then
			user=$(printf %s "$SLOTWRIGHT_USER" | quoted)
			printf 'masteruser %s\n' "$user"
			printf 'user %s on "#%s" "~*" "&*" +@all\n' "$user" "$(printf %s "$REDISCLI_AUTH" | sha256sum | cut -c1-64)"
			# Left on, the default user would let everybody in without a password.
			echo "user default off"
		else
			printf 'requirepass %s\n' "$password"
		fi
	fi
} >"$conf"

# A master that knows its slots and has lost its keys would have its replicas
# drop theirs. It waits while one that has keys still follows it: the others
# elect that one. Who follows only that one knows: a master that has just taken
# over may have ended before it heard of it.
mine=$(grep myself, /data/nodes.conf 2>/dev/null || true)
follower() { # ADDRESS: prints it when it follows and has keys
	told=$(printf 'CLUSTER NODES\nINFO keyspace\n' | ask -h "${1%:*}" -p "${1##*:}" | grep -E "myself,slave[^ ]* $id |^db[0-9]+:keys=" || true)
	case "$told" in *myself,slave*:keys=*) echo "$1" ;; esac
}
case "$mine" in
*master*\ connected\ [0-9]*)
	id=${mine%% *}
	while ! has_data; do
		waits=$(
			for address in $(grep @ /data/nodes.conf | grep -v -e myself, -e 'connected [0-9[]' | cut -d' ' -f2 | cut -d@ -f1); do
				follower "$address" & # of many that are gone, each takes its time
			done
			wait
		)
		[ -n "$waits" ] || break
		echo "no data here; waiting until one takes over that has it:" $waits
		sleep 1
	done
	;;
esac
server=redis-server
command -v "$server" >/dev/null 2>&1 || server=valkey-server
# This shell stays the first process of the container, because somebody has to
# collect those that lost their parents, such as what busybox's timeout leaves every
# time it is used: the server would not, until there is room for no other.
"$server" "$conf" &
child=$!
trap 'kill -TERM $child' TERM
while kill -0 $child 2>/dev/null; do
	wait $child && code=0 || code=$? # more than 128 when the signal came
done
exit $code
