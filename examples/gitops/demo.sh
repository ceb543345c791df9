#!/usr/bin/env bash
# Walks through GitOps on this machine: a bare repository, two daemons that each
# follow a folder of it, and local servers. Commits create, grow, hold a typo, and
# are reverted. Daemons, servers and data are gone afterwards. It needs slotwright
# (make build), git, redis-server and redis-cli.
set -euo pipefail
cd "$(dirname "$0")/../.."

slotwright=${SLOTWRIGHT:-$PWD/bin/slotwright}
example=$PWD/examples/gitops
# shellcheck source=examples/demo.bash
source examples/demo.bash

staging_port=$(free_ports 7200 4)
production_port=$(free_ports 7300 8)
repository=$work/topologies.git
daemons=()

cleanup() {
	if ((${#daemons[@]})); then
		kill "${daemons[@]}" 2>/dev/null || true
		wait "${daemons[@]}" || true
	fi
	end_servers
	rm -rf "$work"
}
trap cleanup EXIT

in_copy() { git -C "$work/copy" -c user.name=you -c user.email=you@example.com "$@"; }

commit() { # MESSAGE: commits and pushes the working copy
	in_copy add -A
	in_copy commit -q -m "$1"
	in_copy push -q origin main
	say "$(in_copy log -1 --format='commit %h: %s')"
	in_copy show --stat --format= | sed 's/^/   /'
}

masters() { # ENVIRONMENT COUNT: writes the number of masters
	sed -i "s/^  mast[a-z]*: .*/  masters: $2/" "$work/copy/$1/orders.yaml"
}

follow() { # ENVIRONMENT: starts its daemon
	"$slotwright" run --source "file://$repository" --branch main --path "$1" --allow-local \
		--interval 1s --resync 5s --failback-after 1s --listen 127.0.0.1:0 2>"$work/$1.log" &
	daemons+=($!)
}

page() { # ENVIRONMENT PATH: what its daemon serves there
	local address
	address=$(sed -n 's/.*msg=serving address=\([^ ]*\).*/\1/p' "$work/$1.log")
	[[ -n $address ]] || return 0
	exec 3<>"/dev/tcp/${address%:*}/${address#*:}" || return 0
	printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3
	cat <&3
	exec 3<&- 3>&-
}

until_told() { # ENVIRONMENT WORDS...: waits until its metrics hold every line
	local environment=$1 told line
	shift
	for _ in $(seq 300); do
		told=$(page "$environment" /metrics)
		for line in "$@"; do
			grep -qF -- "$line" <<<"$told" || { sleep 0.2; continue 2; }
		done
		return
	done
	echo "demo: in a minute $environment did not tell: $*" >&2
	cat "$work/$environment.log" >&2
	return 1
}

revision() { echo "main@sha1:$(in_copy rev-parse HEAD)"; }

declare -A shown=([staging]=0 [production]=0)
news() { # ENVIRONMENT: what its daemon has logged since the last time
	local log=$work/$1.log
	tail -n +$((shown[$1] + 1)) "$log" | sed -E "s/^time=[^ ]+ level=/  $1: /; s/ (cluster|revision|source)=[^ ]+//g"
	shown[$1]=$(wc -l <"$log")
}

reached() { # ENVIRONMENT CLUSTER: waits until the cluster is as the last commit says
	until_told "$1" "slotwright_cluster_info{cluster=\"$2\",revision=\"$(revision)\"} 1" \
		"slotwright_cluster_health{cluster=\"$2\",health=\"Healthy\"} 1" \
		"slotwright_cluster_state{cluster=\"$2\",state=\"InSync\"} 1"
	news "$1"
}

serve() { # ENVIRONMENT: what is live, as status tells it
	"$slotwright" status "$work/copy/$1/orders.yaml"
}

say "a bare repository, and a working copy with the example in it"
git init -q --bare -b main "$repository"
git clone -q "$repository" "$work/copy" 2>/dev/null
cp -r "$example/staging" "$example/production" "$work/copy"
sed -i "s/basePort: .*/basePort: $staging_port/" "$work/copy/staging/orders.yaml"
sed -i "s/basePort: .*/basePort: $production_port/" "$work/copy/production/orders.yaml"
in_copy checkout -q -B main
commit "Two environments"

say "two daemons, one for each folder"
follow staging
follow production
reached staging orders-staging
reached production orders
serve production

masters staging 4
commit "Try four masters in staging"
reached staging orders-staging

masters production 4
commit "Four masters in production, too"
reached production orders
serve production

sed -i 's/^  masters: /  mastres: /' "$work/copy/production/orders.yaml"
commit "A typo"
until_told production "seen=\"$(revision)\"} 1"
news production
say "the typo changed nothing: production is as the last good commit says"
"$slotwright" plan --detailed-exitcode <(in_copy show HEAD~1:production/orders.yaml)

in_copy revert --no-edit HEAD HEAD~1 >/dev/null
in_copy push -q origin main
say "two reverts: the typo, and the fourth master of production"
in_copy log -2 --format='   commit %h: %s'
reached production orders
serve production
say "done: daemons and servers are stopped, data is removed"
