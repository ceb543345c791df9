package livetest

import (
	"testing"
	"time"

	"github.com/slotwright/slotwright/spec/slot"
)

// What only the fallen master had is its own loss, and so is what was on its way
// to it; the same is none when the fall was a gentle one, or another's.
func TestALossIsExcusedByTheRightFallOnly(t *testing.T) {
	at := time.Now()
	wrote := func(addr string, after time.Duration, copied bool) write {
		return write{version: 1, addr: addr, sent: at.Add(after), acked: true, copied: copied}
	}
	var late, open slot.Set
	late.Add(7)
	open.Add(9)
	for _, c := range []struct {
		name  string
		slot  int
		write write
		how   How
		want  bool
	}{
		{"alone at the fallen", 3, wrote("dead", -time.Second, false), Alone, true},
		{"copied before the fall", 3, wrote("dead", -time.Second, true), Alone, false},
		{"alone, and the proof came after", 3, wrote("dead", -time.Minute, false), Alone, false},
		{"alone, but the fall was gentle", 3, wrote("dead", -time.Second, false), Agreed, false},
		{"at another", 3, wrote("other", -time.Second, false), Alone, false},
		{"at another, then on its way to the fallen", 7, wrote("other", -time.Second, true), Alone, true},
		{"at another, and on its way before the fallen was gone", 7, wrote("other", 50*time.Millisecond, false), Alone, true},
		{"at another after the fall", 7, wrote("other", time.Second, false), Alone, false},
		{"in a slot on its way from the fallen", 9, wrote("other", -time.Second, true), Alone, false},
		{"in a slot on its way from one that was taken over", 9, wrote("other", -time.Second, true), Unasked, true},
		{"elsewhere when one was taken over", 3, wrote("other", -time.Second, true), Unasked, false},
		{"in such a slot, long after", 9, wrote("other", time.Minute, true), Unasked, false},
		{"at the fallen when all was well again", 3, wrote("dead", 3*time.Minute, false), Alone, false},
		{"at the fallen, which did not know", 3, wrote("dead", time.Second, false), Alone, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fall{addr: "dead", at: at, done: at.Add(100 * time.Millisecond), how: c.how, late: late, open: open, until: at.Add(2 * time.Minute)}
			proof := &truthKey{writes: []write{{version: 1, addr: f.addr, sent: at.Add(-30 * time.Second), acked: true, copied: true}}}
			tr := &Truth{keys: []*truthKey{proof}}
			if got := tr.ownLoss(f, c.slot, c.write); got != c.want {
				t.Errorf("excused: %v", got)
			}
		})
	}
}

// A deletion that another than the fallen acknowledged is lost only in a slot that
// was on its way from the fallen, and only while its replica, or the heir, did not
// know that the key had left.
func TestADeletedKeyMayComeBackWithTheRightFallOnly(t *testing.T) {
	at := time.Now()
	deleted := func(addr string, after time.Duration) write {
		return write{version: deletion, addr: addr, sent: at.Add(after), acked: true, copied: true}
	}
	var late, open slot.Set
	late.Add(7)
	open.Add(9)
	for _, c := range []struct {
		name  string
		slot  int
		write write
		how   How
		marks bool // replicas know marks
		want  bool
	}{
		{"where the key had gone", 9, deleted("target", -time.Second), Alone, false, true},
		{"where it had gone, and the replica had heard", 9, deleted("target", -time.Minute), Alone, false, false},
		{"where it had gone, and the fall was gentle", 9, deleted("target", -time.Second), Agreed, false, false},
		{"where it had gone, after the fall", 9, deleted("target", time.Second), Alone, false, false},
		{"in another slot", 3, deleted("target", -time.Second), Alone, false, false},
		{"in a slot on its way to the fallen", 7, deleted("source", -time.Second), Alone, false, false},
		{"at the heir", 9, deleted("heir", time.Second), Agreed, false, true},
		{"at the heir, which knew the mark", 9, deleted("heir", time.Second), Agreed, true, false},
		{"at the heir when all was well again", 9, deleted("heir", 3*time.Minute), Agreed, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fall{addr: "dead", mates: []string{"heir"}, at: at, done: at.Add(100 * time.Millisecond), how: c.how, late: late, open: open, until: at.Add(2 * time.Minute)}
			proof := &truthKey{writes: []write{{version: 1, addr: f.addr, sent: at.Add(-30 * time.Second), acked: true, copied: true}}}
			tr := &Truth{keys: []*truthKey{proof}, marks: c.marks}
			if got := tr.ownLoss(f, c.slot, c.write); got != c.want {
				t.Errorf("excused: %v", got)
			}
		})
	}
}

// Nobody was told OK, but a reader had the version. It may go with a master that
// fell while it had it, or that got it later; else it must be there.
func TestAVersionThatWasOnlySeenIsExcusedLikeOneThatWasAcknowledged(t *testing.T) {
	at := time.Now()
	var late slot.Set
	late.Add(7)
	for _, c := range []struct {
		name string
		slot int
		addr string
		when time.Duration // of the sight, after the fall
		how  How
		want bool
	}{
		{"at the fallen", 3, "dead", -time.Second, Alone, true},
		{"at the fallen, and copied since", 3, "dead", -time.Minute, Alone, false},
		{"at the fallen, which fell gently", 3, "dead", -time.Second, Agreed, false},
		{"at another, then on its way to the fallen", 7, "other", -time.Second, Alone, true},
		{"at another after the fall", 7, "other", time.Second, Alone, false},
		{"at another that kept it", 3, "other", -time.Second, Alone, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fall{addr: "dead", at: at, done: at.Add(100 * time.Millisecond), how: c.how, late: late}
			proof := &truthKey{writes: []write{{version: 1, addr: f.addr, sent: at.Add(-30 * time.Second), acked: true, copied: true}}}
			tr := &Truth{keys: []*truthKey{proof}}
			seen := at.Add(c.when)
			r := read{key: &truthKey{slot: c.slot}, floor: 4, saw: sight{4, c.addr, seen, seen}}
			if got := tr.mayLose(r, 4, []*fall{f}); got != c.want {
				t.Errorf("excused: %v", got)
			}
		})
	}
}
