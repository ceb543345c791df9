//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// refused demands that a shape is held with a code: told by plan with the text
// and what lifts it, told by apply with exit 3, and nothing done on any server.
func (b *bench) refused(file, why, code string, words ...string) {
	b.t.Helper()
	all := first(len(b.fleet.Servers))
	b.untouched(all, func() {
		p := b.plan(file)
		if p.State != "Held" || p.count("Move")+p.count("Forget")+p.count("Reset") != 0 {
			b.t.Errorf("%s: want Held without a move or a removal, got %s %+v", code, p.State, p.Steps)
		}
		h := p.hold(code)
		if h.Why != why || h.Text == "" || h.Lift == "" {
			b.t.Fatalf("want a hold %s %s with text and lift, got %+v", why, code, p.Holds)
		}
		mentions(b.t, h.Text+" "+h.Lift, words...)
		b.must(3, "plan", file, "--detailed-exitcode")
		o := b.must(3, "apply", file, "--auto-approve", "--timeout", "5s")
		mentions(b.t, o.stdout, code, h.Lift)
		o = b.must(3, "apply", file, "--auto-approve", "--timeout", "5s", "-o", "json")
		told := resultHold(b.t, o.stdout, code)
		if told.Why != why || told.Text == "" || told.Lift != h.Lift {
			b.t.Errorf("apply -o json tells %+v, plan told %+v", told, h)
		}
	})
}

// hold is the hold of a plan with a code.
func (p plan) hold(code string) hold {
	for _, h := range p.Holds {
		if h.Code == code {
			return h
		}
	}
	return hold{}
}

// resultHold is a hold in the result event of apply -o json.
func resultHold(t testing.TB, events, code string) hold {
	t.Helper()
	for line := range strings.Lines(events) {
		var e struct {
			Event string
			Holds []hold
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %s", err, line)
		}
		if e.Event == "result" {
			return plan{Holds: e.Holds}.hold(code)
		}
	}
	t.Errorf("no result in %s", events)
	return hold{}
}

// Shrinks that would lose or endanger data are refused with the reason and what
// lifts it, and change nothing. With the permission, or the room, they run.
func TestADangerousShrinkIsHeldUntilItIsPermitted(t *testing.T) {
	const keys, size = 10_000, 5000
	b := newBench(t, livetest.Options{Servers: 7})
	to := func(masters int, more string) string {
		return b.write(fmt.Sprintf("%d%d.yaml", masters, len(more)), shape{masters: masters, nodes: first(7), more: more})
	}
	b.apply(to(7, ""))
	b.fleet.Write(t, keys, size)
	receivers := first(7)

	// Every server has room for clients and a few keys more, not for 3 MB.
	b.set("maxmemory", fmt.Sprint(b.mostUsed()+(1<<20)), receivers...)
	b.refused(to(5, ""), "Stuck", "NoMemory", "maxmemory")
	b.set("maxmemory-policy", "allkeys-lru", receivers...)
	b.refused(to(5, ""), "Stuck", "WouldEvict", "allkeys-lru", "raise maxmemory")
	b.set("maxmemory", "0", receivers...)
	b.apply(to(5, ""))
	b.fleet.Read(t, keys, size)

	more := "  allow: {shrinkTo: %d}\n"
	b.refused(to(2, ""), "Ask", "ShrinkTo", "allow.shrinkTo: 2", "from 5 to 2")
	b.refused(to(2, fmt.Sprintf(more, 3)), "Ask", "ShrinkTo", "allow.shrinkTo: 2")
	b.apply(to(3, "")) // two of five: ordinary
	b.refused(to(2, ""), "Ask", "ShrinkTo", "from 3 to 2")
	two := to(2, fmt.Sprintf(more, 2))
	b.must(0, "apply", two, "--auto-approve")
	b.fleet.Check(t)
	b.fleet.Read(t, keys, size)

	o := b.must(0, "plan", two, "--detailed-exitcode")
	mentions(t, o.stdout, "allow.shrinkTo: 2 permits nothing now")
	if n := len(b.masters(0)); n != 2 {
		t.Errorf("%d masters", n)
	}
}

// mostUsed is the memory of the server that uses most, in bytes.
func (b *bench) mostUsed() int {
	b.t.Helper()
	most := 0
	for i, s := range b.fleet.Servers {
		used, err := strconv.Atoi(b.info(i, "memory", "used_memory"))
		if err != nil {
			b.t.Fatalf("%s: %v", s.Name, err)
		}
		most = max(most, used)
	}
	return most
}
