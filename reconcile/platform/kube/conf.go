package kube

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/slotwright/slotwright/reconcile/platform/redisconf"
	"github.com/slotwright/slotwright/spec"
)

// defaults may be overridden by the topology. Data survives a restart of the
// container, without which a restarted master would have its replicas drop
// theirs; a dead master is noticed within seconds. Where a topology switches
// persistence off, the snapshot that a replica began with does not stay: it would
// start from that again, as a master with what is long past.
var defaults = map[string]string{
	"appendonly":               "yes",
	"save":                     "",
	"cluster-node-timeout":     "5000",
	"rdb-del-sync-files":       "yes",
	"repl-diskless-sync-delay": "0",
}

// redisConf is the part of redis.conf that all pods share. What slotwright relies
// on comes last, because of two lines for one directive the server takes the
// second. Nothing secret is in it: the pod adds that itself.
func redisConf(t spec.Topology, pod *corev1.PodTemplateSpec) string {
	config := maps.Clone(defaults)
	if limit := memoryLimit(pod); limit > 0 {
		config["maxmemory"] = strconv.FormatInt(limit/4*3, 10)
	}
	maps.Copy(config, t.Config)
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(config)) {
		redisconf.Line(&b, name, config[name])
	}
	for _, line := range fixed(t.TLS != nil) {
		redisconf.Line(&b, line[0], line[1:]...)
	}
	return b.String()
}

func fixed(secure bool) [][]string {
	lines := [][]string{
		{"bind", "*", "-::*"},
		// Pods of one namespace are others, so its guess about who may connect is
		// wrong here.
		{"protected-mode", "no"},
		{"cluster-enabled", "yes"},
		{"cluster-config-file", "nodes.conf"},
		{"dir", "/data"},
		{"daemonize", "no"},
	}
	port := strconv.Itoa(clientPort)
	if !secure {
		return append(lines, []string{"port", port})
	}
	return append(lines,
		[]string{"port", "0"}, []string{"tls-port", port}, []string{"tls-cluster", "yes"}, []string{"tls-replication", "yes"},
		[]string{"tls-ca-cert-file", "/slotwright/tls/ca.crt"},
		[]string{"tls-cert-file", "/slotwright/tls/tls.crt"},
		[]string{"tls-key-file", "/slotwright/tls/tls.key"},
	)
}

// memoryLimit is the memory that the server's container may use, in bytes; 0
// without a limit. A quarter of it is left to what maxmemory does not count:
// buffers of replicas and clients, fragments, and a child that writes a snapshot.
func memoryLimit(pod *corev1.PodTemplateSpec) int64 {
	for _, c := range pod.Spec.Containers {
		if c.Name == container {
			return c.Resources.Limits.Memory().Value()
		}
	}
	return 0
}
