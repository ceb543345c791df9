//go:build e2ekube

package e2ekube

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

const many = 50

// metric is the sum of what the metrics say on lines that fit.
func (b *bench) metric(listen, line string) float64 {
	b.Helper()
	sum, fits := 0.0, regexp.MustCompile(`(?m)^`+line+` (\S+)$`)
	for _, found := range fits.FindAllStringSubmatch(body(b, "http://"+listen+"/metrics"), -1) {
		n, err := strconv.ParseFloat(found[1], 64)
		b.must(err)
		sum += n
	}
	return sum
}

// small makes a topology the smallest of many: three pods, whose probes start no
// process, and whose servers take next to nothing.
func (b *bench) small(name string) string {
	return b.topology(3, 0, "{name: orders}", "{name: "+name+"}", "      storage: {size: 1Gi}\n", "",
		"dnsPolicy: Default", "dnsPolicy: Default, containers: [{name: redis, readinessProbe: {$patch: replace, tcpSocket: {port: redis}}}]")
}

// Figures for the README: run it alone, on an idle machine with 8 GB to spare.
func TestFigureOfADaemonWithFiftyClustersOfPods(t *testing.T) {
	const listen = "127.75.1.3:9400"
	plain(t)
	b := newBench(t)
	config, count := b.counts()
	t.Setenv("KUBECONFIG", config)
	r := b.repository()
	d := b.follows(r, "--listen", listen, "--lease", b.namespace+"/slotwright")
	b.eventually("it serves metrics", func() bool { return strings.Contains(d.log.String(), "msg=serving") })
	for n := 10; n <= many; n += 10 { // so many at once that pods start before they are given up
		for i := n - 10; i < n; i++ {
			name := fmt.Sprintf("c%d", i)
			b.must(os.WriteFile(filepath.Join(r.dir, name+".yaml"), []byte(b.small(name)), 0o600))
		}
		r.git("add", "-A")
		r.git("commit", "-qm", "more")
		b.eventuallyWithin(3*patience, fmt.Sprintf("%d clusters are as wanted", n), func() bool {
			return b.metric(listen, `slotwright_cluster_state\{.*state="InSync"\}`) == float64(n)
		})
	}
	const long = 2 * time.Minute
	time.Sleep(long) // passes of all, and what it took to get here is given back
	count.taken()
	said := len(d.log.String())
	before := b.metric(listen, "process_cpu_seconds_total")
	time.Sleep(long) // what is measured
	memory, core := b.metric(listen, "process_resident_memory_bytes"), (b.metric(listen, "process_cpu_seconds_total")-before)/long.Seconds()
	t.Logf("%d clusters of 3 pods, idle: %.0f MB, %.1f %% of a core; requests in %s: %v", many, memory/1e6, core*100, long, count.taken())
	if text := d.log.String()[said:]; strings.Contains(text, "level=ERROR") {
		t.Error(text)
	}
}
