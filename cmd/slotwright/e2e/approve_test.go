//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// With --approve plan nothing happens before a commit names the plan. What it
// names is done, also by a daemon that was killed in the middle, and nothing
// else: a commit that wants something else is held again.
func TestADaemonThatAsksDoesOnlyWhatACommitApproved(t *testing.T) {
	const keys = 200_000
	b := newBench(t, livetest.Options{Servers: 4})
	b.apply(b.write("create.yaml", shape{masters: 3, nodes: first(3)}))
	b.fleet.Write(t, keys, 64)
	r := newRepo(b)
	h, args := b.hears("canary-", "github")
	args = append(args, "--approve", "plan", "--branch", "main")
	files := func(n int, plan string) map[string]string {
		more := ""
		if plan != "" {
			more = "  allow: {plan: \"" + plan + "\"}\n"
		}
		return map[string]string{"orders.yaml": b.text(shape{masters: n, nodes: first(n), more: more})}
	}
	grow := r.commit("grow", files(4, ""))
	d := b.follow("file://"+r.bare, args...)
	var print string
	asks := func(code, revision string) func() bool {
		return func() bool {
			for _, c := range d.tells().Clusters {
				if held := c.Plan.holdAt(code, ""); c.Revision == revision && strings.Contains(held.Lift, "allow.plan: "+c.Plan.Fingerprint) && held.Why == "Ask" {
					print = c.Plan.Fingerprint
					return true
				}
			}
			return false
		}
	}
	d.until("it asks", time.Minute, asks("NotApproved", grow))
	if p := b.plan(b.write("grow.yaml", shape{masters: 4, nodes: first(4)})); p.Fingerprint != print {
		t.Errorf("plan prints %s, the daemon wants %s", p.Fingerprint, print)
	}
	d.until("the commit says what to approve", time.Minute, func() bool {
		return h.of(grow, "redis/prod/orders") == "pending failure" && h.said(print)
	})
	stale := r.commit("another plan", files(4, "sha256:"+strings.Repeat("0", 64)))
	d.until("it refuses another", time.Minute, asks("StaleApproval", stale))
	if got := b.masters(0); len(got) != 3 {
		t.Fatalf("it acted: the masters are %v", got)
	}

	approved := r.commit("approve", files(4, print))
	d.moving()
	d.kill()
	d = b.follow("file://"+r.bare, args...)
	d.reaches(approved, 4)
	b.fleet.Read(t, keys, 64)
	d.until("the commit is a success", time.Minute, func() bool { return strings.HasSuffix(h.of(approved, "redis/prod/orders"), "success") })

	shrink := r.commit("shrink under the old approval", files(3, print))
	d.until("it asks again", time.Minute, asks("StaleApproval", shrink))
	if got := b.masters(0); len(got) != 4 {
		t.Fatalf("it acted: the masters are %v", got)
	}
	d.reaches(r.commit("approve the shrink", files(3, print)), 3)
	b.fleet.Read(t, keys, 64)
	d.stop()
}

// said reports whether a status has said a word.
func (h *heard) said(word string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Contains(strings.Join(h.texts, "\n"), word)
}
