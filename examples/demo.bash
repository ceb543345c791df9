# shellcheck shell=bash
# What the demos share, to be sourced: a place to work in, and the end of the
# servers that were started there.

work=$(mktemp -d)
export SLOTWRIGHT_STATE_DIR=$work/state

say() { printf '\n--- %s\n' "$*"; }

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

free_ports() { # FIRST COUNT: the first of as many ports that nobody listens on, nor on their buses
	local base p
	for base in $(seq "$1" 10 $(($1 + 990))); do
		for p in $(seq "$base" $((base + $2 - 1))); do
			if taken "$p" || taken $((p + 10000)); then continue 2; fi
		done
		echo "$base"
		return
	done
	echo "demo: no $2 free ports from $1 to $(($1 + 999))" >&2
	return 1
}

end_servers() { # kills the servers that were started below $work
	local pidfile pid
	for pidfile in "$SLOTWRIGHT_STATE_DIR"/local/*/*/redis.pid; do
		[[ -e $pidfile ]] || continue
		pid=$(<"$pidfile")
		# The number is ours only if the process was started with our file.
		if tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF "${pidfile%redis.pid}redis.conf"; then
			kill -9 "$pid" || true
		fi
	done
}
