package live

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// A replica of the target stands still. Keys wait for it before the server cuts it
// off, and it goes on where it was.
func TestAMoveWaitsForTheReplicasOfItsTarget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1, "--cluster-node-timeout", "15000", "--rdbcompression", "no", "--repl-backlog-size", "1mb", "--client-output-buffer-limit", "replica 16mb 2mb 60")
	from, to := w.nodes[0], w.nodes[2]
	replica := w.heir(to, "r2")
	slots := ranged(0, 399)
	body := strings.Repeat("0123456789abcdef", 6000) // 96 kB
	for s := range slots.Each() {
		w.must(from, "SET", "{"+tagOf(s)+"}k", fmt.Sprint(s, body))
	}
	syncs := w.info(to, "sync_full")
	w.signal(replica, syscall.SIGSTOP)
	done := make(chan error, 1)
	go func() { done <- w.mover().move(context.Background(), moves("n0", "n2", slots)) }()
	var had any
	rests := func() bool {
		before := w.do(to, "DBSIZE")
		time.Sleep(enough)
		had = w.do(to, "DBSIZE")
		return had == before && had != int64(0)
	}
	if !livetest.Eventually(30*time.Second, rests) || had.(int64) > 100 {
		t.Errorf("it does not wait: n2 has %v keys of 400", had)
	}
	w.signal(replica, syscall.SIGCONT)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	w.until("r2 has all", func() bool { return w.do(replica, "DBSIZE") == int64(400) })
	if now := w.info(to, "sync_full"); now != syncs {
		t.Errorf("r2 was sent everything anew: %s full syncs, %s before", now, syncs)
	}
	w.holds(to, slots, nil)
}

// info is one number of INFO stats.
func (w *world) info(p *process, name string) string {
	_, rest, _ := strings.Cut(fmt.Sprint(w.must(p, "INFO", "stats")), name+":")
	n, _, _ := strings.Cut(rest, "\r\n")
	return n
}

func TestHowFarAReplicaMayBeBehind(t *testing.T) {
	t.Parallel()
	for limits, want := range map[string]int64{
		"normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60": 64 << 20,
		"normal 0 0 0 replica 268435456 67108864 60":                          64 << 20,
		"normal 0 0 0 slave 67108864 67108864 60 pubsub 1 1 1":                32 << 20,
		"normal 0 0 0 slave 67108864 0 0":                                     32 << 20,
		"normal 0 0 0 slave 0 1048576 60":                                     1 << 20,
		"normal 0 0 0 slave 0 0 0":                                            defaultLag,
		"":                                                                    defaultLag,
	} {
		if got := lagBound(limits); got != want {
			t.Errorf("%q: %d, not %d", limits, got, want)
		}
	}
}
