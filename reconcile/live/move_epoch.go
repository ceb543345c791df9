package live

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/spec/slot"
)

// epochs are what a node says of config epochs in CLUSTER INFO: its own, the
// greatest it has heard of, and how many votes it has cast since it was started.
type epochs struct {
	own, known uint64
	votes      string
}

// outrank makes sure that the config epoch of every target is greater than
// that of every source: who claims a slot with the greater epoch gets it, and
// the other drops the keys it holds there.
//
// SETSLOT NODE raises the target's epoch by itself, but only above those it has
// heard of, and a source may have risen a moment ago, by an election or by
// slots it got. A target that takes the very epoch a source has makes one of
// the two rise again, and that may be the source, after the claim. So first
// every target has to hear of the greatest epoch there is, then it rises.
func (p *party) outrank(ctx context.Context, sources, targets []*end) error {
	done, err := p.ranked(ctx, sources, targets, false)
	if done || err != nil {
		return err
	}
	if err := p.quiet(ctx, sources, targets); err != nil {
		return err
	}
	for range 250 {
		if done, err := p.ranked(ctx, sources, targets, true); err != nil || done {
			return err
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("the config epoch of %s does not get above that of %s", targets[0].name, sources[0].name)
}

// calm is how long messages of the cluster bus may be under way.
const calm = 500 * time.Millisecond

// quiet waits until it is safe to raise the epoch of the targets: all members
// know the ends as they are, and still do after what was sent before that has
// arrived. A target whose epoch is 0 never owned a slot, so nobody can take it
// for the owner of one.
func (p *party) quiet(ctx context.Context, sources, targets []*end) error {
	fresh := true
	for _, e := range targets {
		at, err := e.epochs(ctx)
		if err != nil {
			return err
		}
		fresh = fresh && at.own == 0
	}
	if fresh {
		return nil
	}
	if err := p.settle(ctx, slices.Concat(sources, targets)); err != nil {
		return err
	}
	if err := pause(ctx, calm); err != nil {
		return err
	}
	return p.settle(ctx, slices.Concat(sources, targets))
}

// settle waits until every member knows the slots and the epochs of the given
// nodes as they are. One that still takes a node for the owner of slots it has
// given away repeats that to the new owner when the epoch of the old one rises
// (the UPDATE message of the cluster bus), and is believed: the new owner drops
// the keys.
func (p *party) settle(ctx context.Context, ends []*end) error {
	for i := range p.seen.Nodes {
		n := &p.seen.Nodes[i]
		if !n.Member || n.Health != cluster.Up {
			continue
		}
		e, err := p.end(n.Name)
		if err != nil {
			return err
		}
		for try := 0; ; try++ {
			why, err := e.behind(ctx, ends)
			if err != nil {
				return err
			}
			if why == "" {
				break
			}
			if try == 200 {
				return fmt.Errorf("%s does not learn %s: the members have to agree before slots move", e.name, why)
			}
			if err := pause(ctx, 50*time.Millisecond); err != nil {
				return err
			}
		}
	}
	return nil
}

// behind is what a node does not know yet of the others.
func (e *end) behind(ctx context.Context, others []*end) (string, error) {
	self, lines, err := e.view(ctx)
	if err != nil {
		return "", err
	}
	var marked slot.Set // of a slot it is importing it hears nothing
	for _, m := range self.Open {
		marked.Add(m.Slot)
	}
	for _, o := range others {
		is, _, err := o.view(ctx)
		if err != nil {
			return "", err
		}
		i := slices.IndexFunc(lines, func(l cluster.Line) bool { return l.ID == o.id })
		switch {
		case i < 0 || lines[i].Epoch < is.Epoch:
			return "the config epoch of " + o.name, nil
		case lines[i].Slots().Minus(marked) != is.Slots().Minus(marked):
			return "the slots of " + o.name, nil
		}
	}
	return "", nil
}

// ranked says whether all targets outrank all sources. Those that do not, and
// know enough to, it raises if it may.
func (p *party) ranked(ctx context.Context, sources, targets []*end, may bool) (bool, error) {
	var own, known uint64
	for _, e := range sources {
		at, err := e.epochs(ctx)
		if err != nil {
			return false, err
		}
		own, known = max(own, at.own), max(known, at.known)
	}
	done := true
	for _, e := range targets {
		at, err := e.epochs(ctx)
		switch {
		case err != nil:
			return false, err
		case at.own > own:
			continue
		case may && at.known >= known:
			if err := p.rise(ctx, e); err != nil {
				return false, fmt.Errorf("%s: %w", e.name, err)
			}
		}
		done = false
	}
	return done, nil
}

// rise gives a master an epoch above all it has heard of, and has it tell the other
// masters, who are to refuse votes by it (warn).
func (p *party) rise(ctx context.Context, e *end) error {
	e.rising.Lock()
	defer e.rising.Unlock()
	nothing := func() error { return nil }
	err := timely(ctx, e, p.heirs(e), nothing, nothing,
		func(until int64) error { return e.inTime(ctx, until, "", [][]any{{"CLUSTER", "BUMPEPOCH"}})[0] })
	if err != nil {
		return err
	}
	return e.introduce(ctx)
}

// introduce has a master send a MEET to the others that it knows: nothing else has
// it speak to all of them at once, and the header says all of its sender. What goes
// wrong with one of them gossip mends, within seconds.
func (e *end) introduce(ctx context.Context) error {
	_, lines, err := e.view(ctx)
	if err != nil {
		return err
	}
	var cmds [][]any
	for _, l := range lines {
		if l.Flags.Master && !l.Flags.Myself && l.Host != "" && l.Linked {
			cmds = append(cmds, []any{"CLUSTER", "MEET", l.Host, l.Port, l.Bus})
		}
	}
	e.pipe(ctx, 0, slack, cmds)
	return nil
}

func (e *end) epochs(ctx context.Context) (epochs, error) {
	v, err := e.ask(ctx, "CLUSTER", "INFO")
	if err != nil {
		return epochs{}, err
	}
	return e.readEpochs(v)
}

func (e *end) readEpochs(info any) (epochs, error) {
	text, _ := info.(string)
	own, err1 := number(text, "cluster_my_epoch:")
	known, err2 := number(text, "cluster_current_epoch:")
	if err1 != nil || err2 != nil {
		return epochs{}, fmt.Errorf("%s does not tell its config epoch", e.name)
	}
	votes, err := number(text, "auth-ack_sent:")
	if err != nil {
		votes = 0 // what never was is left out
	}
	return epochs{own, known, strconv.FormatUint(votes, 10)}, nil
}

// number is what stands behind a name in CLUSTER INFO.
func number(text, name string) (uint64, error) {
	_, rest, _ := strings.Cut(text, name)
	digits, _, _ := strings.Cut(rest, "\r\n")
	return strconv.ParseUint(digits, 10, 64)
}
