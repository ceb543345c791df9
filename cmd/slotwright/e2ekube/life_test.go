//go:build e2ekube

package e2ekube

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

// reaches waits until the cluster has the shape.
func (b *bench) reaches(masters, replicas int) {
	b.Helper()
	b.reachesWithin(patience, masters, replicas)
}

func (b *bench) reachesWithin(long time.Duration, masters, replicas int) {
	b.Helper()
	last := ""
	defer func() {
		if b.Failed() {
			b.Logf("last seen: %s", last)
		}
	}()
	b.eventuallyWithin(long, "the shape is reached", func() bool {
		last = b.misshape(masters, replicas)
		return last == ""
	})
}

func TestTheWholeLifeOfAClusterIsCommits(t *testing.T) {
	b, r, _ := followed(t)
	client, zones := b.writes(), b.zoned()

	r.commit(b.topology(4, 1))
	b.reaches(4, 1)
	r.commit(b.topology(3, 1))
	b.reaches(3, 1)
	if claims := b.in("get", "pvc", "-o", "name"); !strings.Contains(claims, "data-orders-a-2") {
		t.Errorf("the claims of the pods that left are gone:\n%s", claims)
	}
	r.commit(b.topology(3, 2))
	b.reaches(3, 2)
	zones()
	t.Logf("longest time without an answer: %s", client.end())
	if all := b.in("exec", "orders-a-0", "--", "sh", "-c", "cat /proc/[0-9]*/stat"); strings.Count(all, ") Z ") > 3 {
		t.Errorf("processes that ended are not collected:\n%s", all)
	}

	r.commit(b.topology(3, 2, "spec:\n", "spec:\n  state: Absent\n  allow: {delete: orders}\n"))
	b.eventually("everything is removed", func() bool {
		return !strings.Contains(b.in("get", "statefulsets,services,configmaps,poddisruptionbudgets,pods", "-o", "name"), "orders")
	})
	if claims := b.in("get", "pvc", "-o", "name"); !strings.Contains(claims, "data-orders-a-0") {
		t.Errorf("the claims are gone, and nobody said that they may go:\n%s", claims)
	}
}

func TestClaimsGoWithTheirPodsWhereTheTopologySaysSo(t *testing.T) {
	b := newBench(t)
	topology := func(masters int, changes ...string) string {
		return b.topology(masters, 0, append(changes, "storage: {size: 1Gi}", "storage: {size: 1Gi, whenScaled: Delete, whenDeleted: Delete}")...)
	}
	claims := func() string { return b.in("get", "pvc", "-o", "name") }
	b.apply(topology(4))
	client := b.writes()
	b.apply(topology(3))
	b.eventually("one claim is gone", func() bool { return strings.Count(claims(), "data-orders") == 3 })
	t.Logf("longest time without an answer: %s", client.end())
	b.apply(topology(3, "spec:\n", "spec:\n  state: Absent\n  allow: {delete: orders}\n"))
	b.eventually("all claims are gone", func() bool { return !strings.Contains(claims(), "data-orders") })
}

// Names outlive the addresses that clients would have to learn anew.
func TestClientsThatWantNamesAreToldNames(t *testing.T) {
	b := newBench(t)
	b.named = true
	topology := func(masters int) string {
		return b.topology(masters, 1, "spec:\n", "spec:\n  config: {cluster-preferred-endpoint-type: hostname}\n")
	}
	b.apply(topology(3))
	name := "orders-b-0.orders-nodes." + b.namespace + ".svc"
	addr := b.addresses()[0]
	b.eventually("clients are told names", func() bool {
		text, err := exec.Command("redis-cli", "-h", strings.TrimSuffix(addr, ":6379"), "CLUSTER", "SLOTS").CombinedOutput()
		return err == nil && strings.Contains(string(text), name)
	})
	client := b.writes()
	b.apply(topology(4))
	b.shaped(4, 1)
	b.apply(topology(3))
	b.reaches(3, 1) // pods that left take their time to end
	t.Logf("longest time without an answer: %s", client.end())
}

// old is a plain manifest of a Redis Cluster, as people deploy one.
const old = `apiVersion: v1
kind: Service
metadata: {name: redis-cluster}
spec: {clusterIP: None, publishNotReadyAddresses: true, selector: {app: redis-cluster}, ports: [{port: 6379, name: client}, {port: 16379, name: gossip}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: redis-cluster}
spec:
  serviceName: redis-cluster
  replicas: 6
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: redis-cluster}}
  template:
    metadata: {labels: {app: redis-cluster}}
    spec:
      dnsPolicy: Default
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: redis-cluster}}}
      containers:
      - name: redis
        image: redis:7.0
        command: [sh, -c, "exec redis-server --cluster-enabled yes --appendonly yes --dir /data --protected-mode no --cluster-node-timeout 5000 --cluster-announce-ip $POD_IP"]
        env: [{name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]
        ports: [{containerPort: 6379, name: client}, {containerPort: 16379, name: gossip}]
        readinessProbe: {tcpSocket: {port: client}, periodSeconds: 2}
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
`

func TestAPlainStatefulSetIsAdoptedGrownAndShrunk(t *testing.T) {
	b := newBench(t)
	b.in("apply", "-f", b.write(old))
	b.in("rollout", "status", "statefulset/redis-cluster", "--timeout=3m")
	b.create(b.addresses())
	client := b.writes()
	template := b.in("get", "statefulset", "redis-cluster", "-o", "jsonpath={.spec.template}{.metadata.labels}")
	adopted := func(masters string) string {
		return strings.NewReplacer("MASTERS", masters, "NAMESPACE", b.namespace).Replace(`apiVersion: slotwright/v1alpha1
kind: RedisCluster
metadata: {name: orders}
spec:
  masters: MASTERS
  replicasPerMaster: 1
  platform: {kubernetes: {namespace: NAMESPACE, adopt: {statefulSet: redis-cluster}}}
`)
	}
	b.apply(adopted("3")) // redis-cli knows nothing of zones
	b.shaped(3, 1)
	b.apply(adopted("4"))
	b.shaped(4, 1)
	b.apply(adopted("3"))
	b.reaches(3, 1) // pods that left take their time to end
	t.Logf("longest time without an answer: %s", client.end())
	if now := b.in("get", "statefulset", "redis-cluster", "-o", "jsonpath={.spec.template}{.metadata.labels}"); now != template {
		t.Errorf("its template was touched:\n%s\nwas\n%s", now, template)
	}
}
