#!/usr/bin/env bash
# Creates a cluster of pods over three zones, grows it to four masters, shrinks it
# back and removes it, on the Kubernetes that kubectl's current context names, in a
# namespace of its own that is gone afterwards. It needs slotwright (make build),
# kubectl, machines in three zones, and a way to the addresses of pods: run it on a
# machine of the cluster, or in the testbed. IMAGE is the servers'; default: redis:7.0.
set -euo pipefail
cd "$(dirname "$0")/../.."

slotwright=${SLOTWRIGHT:-$PWD/bin/slotwright}
image=${IMAGE:-redis:7.0}
# shellcheck source=examples/demo.bash
source examples/demo.bash
topology=$work/orders.yaml
namespace=slotwright-demo-$RANDOM

cleanup() {
	kubectl delete namespace "$namespace" --ignore-not-found --timeout=3m || true
	rm -rf "$work"
}

zones() { # the first three zones of the machines, as a list
	kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.labels.topology\.kubernetes\.io/zone}{"\n"}{end}' |
		sed '/^$/d' | sort -u | head -3 | paste -sd , -
}

write() { # MASTERS [LINES]: the topology, with more lines of its spec
	cat >"$topology" <<-YAML
		apiVersion: slotwright/v1alpha1
		kind: RedisCluster
		metadata: {name: orders}
		spec:
		  masters: $1
		  replicasPerMaster: 1
		  zones: [$zones]
		  platform:
		    kubernetes: {namespace: $namespace, image: "$image", storage: {size: 1Gi}}
	YAML
	printf '%s' "${2:-}" >>"$topology"
}

apply() { # MASTERS
	write "$1"
	"$slotwright" apply --auto-approve "$topology"
	"$slotwright" status --wait "$topology"
}

pods() { kubectl -n "$namespace" get pods -o wide; }

zones=$(zones)
if [[ $zones != *,*,* ]]; then
	echo "demo: the machines of this Kubernetes are in zones [$zones], and three are needed" >&2
	exit 1
fi
trap cleanup EXIT
kubectl create namespace "$namespace"

say "create: three masters, a replica each, over the zones $zones"
apply 3
pods

say "grow to four masters"
apply 4
pods

say "shrink back to three; the claims of the pods that left stay"
apply 3
kubectl -n "$namespace" get pods,persistentvolumeclaims

say "remove the cluster"
write 3 $'  state: Absent\n  allow: {delete: orders}\n'
"$slotwright" apply --auto-approve "$topology"
kubectl -n "$namespace" get statefulsets,services,persistentvolumeclaims
if [[ -n $(kubectl -n "$namespace" get statefulsets -o name) ]]; then
	echo "demo: something is left" >&2
	exit 1
fi
say "done"
