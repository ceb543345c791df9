//go:build bench

package bench

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
	"time"
)

// made is one line of the planner's own benchmark.
var made = regexp.MustCompile(`BenchmarkMake/zones/(create|steady|grow)/(\d+)\S*\s+\d+\s+(\d+) ns/op.*?(\d+) B/op`)

// BenchmarkPlan runs the planner's own benchmark and takes its figures over.
func BenchmarkPlan(b *testing.B) {
	out, err := exec.Command("go", "test", "-run", "^$", "-bench", "^BenchmarkMake$/^zones$", "-benchtime", "20x",
		"github.com/slotwright/slotwright/reconcile/plan").CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	type figure struct {
		time  time.Duration
		bytes int
	}
	figures := map[string]figure{} // by work and nodes
	for _, m := range made.FindAllStringSubmatch(string(out), -1) {
		ns, _ := strconv.Atoi(m[3])
		bytes, _ := strconv.Atoi(m[4])
		figures[m[1]+m[2]] = figure{time.Duration(ns), bytes}
	}
	for _, work := range []string{"create", "steady", "grow"} {
		small, large := figures[work+"10"], figures[work+"1000"]
		if small.time == 0 || large.time == 0 {
			b.Fatalf("no figures for %s in\n%s", work, out)
		}
		r := results.row(fmt.Sprintf("plan 1000 nodes, 500 masters: %s", work), "", bar{time: 50 * time.Millisecond})
		r.ours = append(r.ours, large.time)
		results.remark("planning (%s) 100 times the nodes, 10 to 1000: %.0f times the time (%s to %s), %.0f times the memory (%d to %d kB)",
			work, float64(large.time)/float64(small.time), human(small.time), human(large.time),
			float64(large.bytes)/float64(small.bytes), small.bytes/1000, large.bytes/1000)
	}
}
