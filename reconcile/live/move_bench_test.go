package live

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// BenchmarkGrow moves a quarter of the slots of three masters, 1M keys of 128
// bytes in them (SLOTWRIGHT_BENCH_KEYS changes that), to a fourth, and reports
// what a client that reads meanwhile waits.
func BenchmarkGrow(b *testing.B) {
	for _, way := range []struct {
		name string
		grow func(w *world, m *mover)
	}{
		{"migrateslots", func(w *world, m *mover) { w.migrateSlots() }},
		{"redis-cli", func(w *world, m *mover) { w.rebalance() }},
		{"redis-cli-pipeline-100", func(w *world, m *mover) { w.rebalance("--cluster-pipeline", "100") }},
		{"slotwright", func(w *world, m *mover) {
			if err := m.move(context.Background(), quarter()); err != nil {
				b.Fatal(err)
			}
		}},
	} {
		atomic := strings.Contains(livetest.Program("server"), "valkey-9")
		if way.name != "slotwright" && atomic != (way.name == "migrateslots") {
			continue
		}
		b.Run(way.name, func(b *testing.B) {
			for range b.N {
				b.StopTimer()
				w := newWorld(b, 3, 1)
				w.populate(benchKeys())
				m := w.mover()
				stop := w.reader()
				cpu := w.cpu()
				b.StartTimer()
				way.grow(w, m)
				b.StopTimer()
				b.ReportMetric(w.cpu()-cpu, "server-cpu-s")
				waits := stop()
				b.ReportMetric(waits[len(waits)/2].Seconds()*1000, "p50-ms")
				b.ReportMetric(waits[len(waits)*99/100].Seconds()*1000, "p99-ms")
				b.ReportMetric(waits[len(waits)-1].Seconds()*1000, "max-ms")
				b.ReportMetric(float64(len(waits)), "reads")
				if got := w.look().Node("n3").Slots.Len(); got < 4095 {
					b.Fatalf("n3 owns %d slots", got)
				}
				for _, p := range w.nodes {
					w.kill(p)
				}
			}
		})
	}
}

func benchKeys() int {
	if n, err := strconv.Atoi(os.Getenv("SLOTWRIGHT_BENCH_KEYS")); err == nil {
		return n
	}
	return 1_000_000
}

// quarter is a quarter of each third, for the fourth master.
func quarter() []plan.Step {
	var out []plan.Step
	for i := range 3 {
		first := slot.Count * i / 3
		s := plan.Step{Kind: plan.Move, From: fmt.Sprint("n", i), To: "n3"}
		s.Slots.AddRange(first, first+1364)
		out = append(out, s)
	}
	out[0].Slots.Add(1365)
	return out
}

// populate writes n keys of 128 bytes, each to the master that owns it.
func (w *world) populate(n int) {
	w.t.Helper()
	value := bytes.Repeat([]byte("v"), 128)
	var mine [3][]string
	for i := range n {
		key := fmt.Sprintf("key:%07d", i)
		at := slot.Of(key) * 3 / slot.Count
		for slot.Of(key) >= slot.Count*(at+1)/3 {
			at++
		}
		mine[at] = append(mine[at], key)
	}
	var all sync.WaitGroup
	for i := range mine {
		all.Go(func() {
			for keys := range slices.Chunk(mine[i], 5000) {
				pipe := w.nodes[i].c.Pipeline()
				for _, key := range keys {
					pipe.Set(context.Background(), key, value, 0)
				}
				if _, err := pipe.Exec(context.Background()); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
}

// reader reads keys at random until it is stopped, and returns how long each
// read took, sorted.
func (w *world) reader() (stop func() []time.Duration) {
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{w.nodes[0].addr}, MaxRedirects: 16})
	ctx, end := context.WithCancel(context.Background())
	var waits []time.Duration
	done := make(chan struct{})
	n := benchKeys()
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			begin := time.Now()
			if err := c.Get(context.Background(), fmt.Sprintf("key:%07d", rand.IntN(n))).Err(); err != nil {
				w.t.Error(err)
			}
			waits = append(waits, time.Since(begin))
		}
	}()
	return func() []time.Duration {
		end()
		<-done
		c.Close()
		slices.Sort(waits)
		return waits
	}
}

// migrateSlots sends the bare command to all three sources at once.
func (w *world) migrateSlots() {
	w.t.Helper()
	to := w.id(w.nodes[3])
	for i, s := range quarter() {
		cmd := []any{"CLUSTER", "MIGRATESLOTS", "SLOTSRANGE"}
		for _, r := range s.Slots.Ranges() {
			cmd = append(cmd, r.First, r.Last)
		}
		w.must(w.nodes[i], append(cmd, "NODE", to)...)
	}
	w.until("all have arrived", func() bool { return w.look().Nodes[3].Slots.Len() == 4096 })
}

func (w *world) rebalance(more ...string) {
	w.t.Helper()
	args := append([]string{"--cluster", "rebalance", w.nodes[0].addr, "--cluster-use-empty-masters"}, more...)
	out, err := exec.Command("redis-cli", args...).CombinedOutput()
	if err != nil {
		lines := strings.Split(string(out), "\n")
		w.t.Fatalf("rebalance: %v\n%s", err, strings.Join(lines[max(0, len(lines)-5):], "\n"))
	}
}

// cpu is how many seconds of processor time the servers have taken. On a busy
// machine it says more than the time on the wall.
func (w *world) cpu() float64 {
	ticks := 0
	for _, p := range w.nodes {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
		if err != nil {
			w.t.Fatal(err)
		}
		rest := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		for _, field := range rest[11:13] { // utime and stime, in hundredths, see proc(5)
			n, _ := strconv.Atoi(field)
			ticks += n
		}
	}
	return float64(ticks) / 100
}
