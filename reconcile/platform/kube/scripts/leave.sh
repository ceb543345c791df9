# Before this pod ends, a master hands its slots over to the replica that is
# furthest, so that nobody waits for an election; one that is getting its data is
# waited for. SECONDS_LEFT is the grace period; the server needs the last of it to
# end by itself: 10 s, or half of a short one.
. /slotwright/conf/cli.sh
end=$(($(date +%s) + SECONDS_LEFT - (SECONDS_LEFT < 20 ? SECONDS_LEFT / 2 : 10)))
leads() { ask CLUSTER NODES | grep 'myself,master' | grep -q ' connected [0-9]'; }
in_time() { [ "$(date +%s)" -lt "$end" ]; }
while in_time && leads; do
	info=$(ask INFO replication | tr -d '\r')
	replicas=$(echo "$info" |
		sed -n 's/^slave[0-9]*:ip=\([^,]*\),port=\([0-9]*\),state=online,offset=\([0-9]*\).*/\3 \1 \2/p' | sort -rn | cut -d' ' -f2-)
	if [ -z "$replicas" ]; then
		echo "$info" | grep -q '^slave[0-9]' || exit 0
		sleep 1
		continue
	fi
	echo "$replicas" | while in_time && read -r host port; do
		[ "$(ask -h "$host" -p "$port" CLUSTER FAILOVER)" = OK ] || continue
		for _ in 1 2 3 4 5 6; do
			in_time && leads || exit 0
			sleep 1
		done
	done
done
exit 0
