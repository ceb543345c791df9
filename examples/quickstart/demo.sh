#!/usr/bin/env bash
# Creates the cluster of topology.yaml with real servers on this machine, writes
# keys, grows it to four masters and shrinks it back, while every key is looked for.
# Servers and data are gone afterwards. It needs slotwright (make build),
# redis-server and redis-cli. PORT is the first of eight ports; default: the
# first free ones from 7100 on.
set -euo pipefail
cd "$(dirname "$0")/../.."

slotwright=${SLOTWRIGHT:-$PWD/bin/slotwright}

keys=10000
# shellcheck source=examples/demo.bash
source examples/demo.bash
port=${PORT:-$(free_ports 7100 8)}
topology=$work/topology.yaml

cleanup() {
	end_servers
	rm -rf "$work"
}
trap cleanup EXIT

masters() { # the ports of all masters
	local p
	for p in $(seq "$port" $((port + 7))); do
		if [[ $(redis-cli -p "$p" role 2>/dev/null | head -1) == master ]]; then
			echo "$p"
		fi
	done
}

demand() { # every key with its own value, once, at some master
	local p
	if ! diff <(seq "$keys" | sed 's/^/value:/' | sort) \
		<(for p in $(masters); do seq "$keys" | sed 's/.*/GET key:&/' | redis-cli -p "$p" | grep '^value:'; done | sort) >/dev/null; then
		echo "demo: keys are missing or have other values" >&2
		exit 1
	fi
	say "all $keys keys are there"
}

apply() { # MASTERS
	sed -e "s/masters: .*/masters: $1/" -e "s/basePort: .*/basePort: $port/" examples/quickstart/topology.yaml >"$topology"
	"$slotwright" apply --auto-approve "$topology"
	"$slotwright" status --wait "$topology"
}

say "create: three masters, a replica each, three zones"
apply 3

say "write $keys keys"
# Every master is offered every key and takes those of its own slots: redis-cli
# would make a new connection for each redirection.
written=0
for p in $(masters); do
	ok=$(seq "$keys" | sed 's/.*/SET key:& value:&/' | redis-cli -p "$p" | grep -c '^OK') || true
	written=$((written + ok))
done
echo "$written written"
demand

say "grow to four masters"
apply 4
demand

say "shrink back to three"
apply 3
demand
say "done"
