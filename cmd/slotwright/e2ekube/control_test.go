//go:build e2ekube

package e2ekube

import (
	"strings"
	"testing"
	"time"
)

// away switches the API server off until the test ends or it is called.
func (b *bench) away() (back func()) {
	b.Helper()
	b.breaks("apiserver", "stop")
	gone := true
	back = func() {
		if gone {
			gone = false
			b.breaks("apiserver", "start")
		}
	}
	b.Cleanup(back)
	return back
}

// untouched demands for so long that clients notice nothing, and of all pods that
// they are there then.
func (b *bench) untouched(all map[string]pod, client *traffic, long time.Duration) {
	b.Helper()
	for begin := time.Now(); time.Since(begin) < long; {
		client.goesOn()
	}
	for name, p := range all {
		if pong, err := b.ask(p.ip+":6379", "PING"); pong != "PONG" {
			b.Errorf("%s has gone: %v", name, err)
		}
	}
}

// Controllers and scheduler end meanwhile, as they do anywhere when they can't
// renew their leases, and so begin anew.
func TestTheAPIServerIsAwayInTheMiddleOfAShrink(t *testing.T) {
	b := newBench(t)
	r, d := b.formed(4, b.topology(4, 1))
	client := b.writes()
	before := b.pods()
	r.commit(b.topology(3, 1))
	d.tellsOf(b, "step begins", "Move")
	back := b.away()
	b.untouched(before, client, 30*time.Second)
	told := len(d.log.String())
	back()
	begin := time.Now()
	b.reaches(3, 1)
	t.Logf("as wanted %s after the API server was back; longest time without an answer: %s", time.Since(begin).Round(time.Millisecond), client.end())
	if text := d.log.String()[told:]; strings.Contains(text, "ViewsDisagree") {
		t.Errorf("it came back to a cluster that was half removed:\n%s", text)
	}
}

// Nobody can hold a Lease then: both daemons end, and the kubelets start them
// again and again.
func TestDaemonsWithALeaseGoOnWhenTheAPIServerIsBack(t *testing.T) {
	b := newBench(t)
	r := b.repository()
	r.commit(b.topology(4, 1))
	b.follow(r, "any")
	b.becomes(4, 1)
	client := b.writes()
	r.commit(b.topology(3, 1))
	b.eventually("it has begun", func() bool { now, _ := b.tells(); return now.InSync != nil && !*now.InSync })
	before := b.pods()
	back := b.away()
	b.untouched(before, client, 30*time.Second)
	back()
	begin := time.Now()
	b.becomes(3, 1)
	t.Logf("as wanted %s after the API server was back; longest time without an answer: %s", time.Since(begin).Round(time.Millisecond), client.end())
}
