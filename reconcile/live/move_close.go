package live

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// closing is one Close step being carried out.
type closing struct {
	*party
	from, to string
	own      map[int]int64            // keys of a slot at from
	holders  map[int]map[string]int64 // and at other masters that hold any
	gone     closed                   // how far it has come
}

// close brings the half-moved slots of one Close step to their owner: To, or
// back to From when both are the same.
//
// Where the keys are is counted at every master, not read from the marks: a
// failover loses marks on either side, and those that are left may name nodes
// that are replicas by now, or gone.
func (m *mover) close(ctx context.Context, step plan.Step) error {
	c := closing{party: m.gather(), from: step.From, to: step.To, own: map[int]int64{}, holders: map[int]map[string]int64{}}
	defer c.letGo()
	slots := slices.Collect(step.Slots.Each())
	if err := c.search(ctx, slots); err != nil {
		return fmt.Errorf("close slots %s: %w", step.Slots, err)
	}
	if err := c.correct(ctx, step.Slots); err != nil {
		return fmt.Errorf("close slots %s: %w", step.Slots, err)
	}
	if err := c.part(ctx, slots); err != nil {
		return fmt.Errorf("close slots %s: %w", step.Slots, err)
	}
	groups, err := c.group(slots)
	if err != nil {
		return err
	}
	c.gone.step, c.gone.keys = step, c.keys()
	defer c.tellOften()()
	var held error
	for _, holder := range slices.Sorted(maps.Keys(groups)) {
		for some := range slices.Chunk(groups[holder], together) {
			err := c.some(ctx, holder, some)
			if err != nil {
				err = fmt.Errorf("close slots %d to %d: %w", some[0], some[len(some)-1], err)
			}
			if err != nil && !isHeld(err) {
				return errors.Join(err, held)
			}
			held = errors.Join(held, err)
			c.tell(len(some))
		}
	}
	return held
}

// search counts the keys of the slots at every master. One that was seen as a
// member and can't be asked may hold some: nothing is closed then. One that a
// majority has declared failed is given up.
func (c *closing) search(ctx context.Context, slots []int) error {
	owner, err := c.reach(ctx, c.from)
	if err != nil {
		return err
	}
	counts, err := owner.count(ctx, slots)
	if err != nil {
		return err
	}
	for i, s := range slots {
		c.own[s], c.holders[s] = counts[i], map[string]int64{}
	}
	for i := range c.seen.Nodes {
		n := &c.seen.Nodes[i]
		if n.Name == c.from || n.Master != "" || !n.Member || n.Health == cluster.Failed {
			continue
		}
		e, err := c.reach(ctx, n.Name)
		if err != nil {
			return fmt.Errorf("%s may hold keys of them: %w", n.Name, err)
		}
		counts, err := e.count(ctx, slots)
		if err != nil {
			return err
		}
		for i, s := range slots {
			if counts[i] > 0 {
				c.holders[s][n.Name] = counts[i]
			}
		}
	}
	return nil
}

// keys is how many have a way to go: those of the owner, and where a slot goes
// on from the holder those that go there with those that were there.
func (c *closing) keys() (sum int64) {
	for s, own := range c.own {
		if c.to != c.from || len(c.holders[s]) > 0 {
			sum += own
		}
		for name, held := range c.holders[s] {
			if name != c.to {
				sum += own + held
			}
		}
	}
	return sum
}

// correct tells nodes that mark the slots who owns them, where they give them
// to somebody else. A node hears nothing of an owner it is importing a slot
// from (clusterUpdateSlotsConfigWith): when that one dies and its replica is
// elected, the node goes on giving the slot to the dead one, says
// cluster_state:fail for it and serves no slot at all.
func (c *closing) correct(ctx context.Context, slots slot.Set) error {
	owner, err := c.reach(ctx, c.from)
	if err != nil {
		return err
	}
	names := map[string]bool{}
	for s := range slots.Each() {
		for _, name := range c.marked(s, c.from) {
			names[name] = true
		}
	}
	for name := range names {
		e, err := c.reach(ctx, name)
		if err != nil {
			return err
		}
		_, lines, err := e.view(ctx)
		if err != nil {
			return err
		}
		for _, l := range lines {
			if l.ID == e.id || l.ID == owner.id {
				continue
			}
			wrong := l.Slots().Intersect(slots)
			for _, err := range e.setSlots(ctx, slices.Collect(wrong.Each()), "NODE", owner.id) {
				if err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// together is how many slots are closed at a time. Every hand-over waits until
// the members have heard of the one before, which takes about a second.
const together = 128

// group parts the slots by the master other than the owner that holds keys of
// them, "" where there is none.
func (c *closing) group(slots []int) (map[string][]int, error) {
	groups := map[string][]int{}
	for _, s := range slots {
		holders := c.holding(s)
		if len(holders) > 1 {
			return nil, fmt.Errorf("close slot %d: %s owns it and %v hold keys of it: more than one move was begun here", s, c.from, holders)
		}
		groups[strings.Join(holders, "")] = append(groups[strings.Join(holders, "")], s)
	}
	return groups, nil
}

// some closes some slots of which holder has keys.
//
// Keys that have left can't be sent back to the owner as they are: one that still
// says ASK refuses them, and one that does not would tell clients meanwhile that
// they don't exist. So a slot goes all the way to the holder, and from there to
// where it shall be, and every key can be found all the time. One that is whole
// and can't go on is closed where it is.
func (c *closing) some(ctx context.Context, holder string, slots []int) error {
	at, holds := c.from, error(nil)
	for _, next := range []string{holder, c.to} {
		if next == "" || next == at {
			continue
		}
		if at != c.from {
			if err := c.heard(ctx, next); err != nil {
				return errors.Join(holds, err)
			}
		}
		held, err := c.carry(ctx, at, next, slots)
		holds = errors.Join(holds, joined(held))
		if err != nil {
			return errors.Join(holds, err)
		}
		for s := range held {
			if next == holder {
				continue // it is half moved
			}
			if err := c.wipe(ctx, s, at); err != nil {
				return errors.Join(holds, fmt.Errorf("slot %d: %w", s, err))
			}
		}
		slots, at = without(slots, held), next
	}
	for _, s := range slots {
		if err := c.wipe(ctx, s, c.to); err != nil {
			return errors.Join(holds, fmt.Errorf("slot %d: %w", s, err))
		}
	}
	return holds
}

// heard waits until a node that slots come to has heard the last of what their
// owner said before it got them, a moment ago. Valkey 8 takes a slot that it
// imports from a node, with a new epoch, as soon as a message of that node does not
// claim it (clusterUpdateSlotsConfigWith): one that was under way would do, and the
// owner would drop its keys.
func (c *closing) heard(ctx context.Context, next string) error {
	if e, err := c.reach(ctx, next); err != nil || !e.sends {
		return err
	}
	return pause(ctx, calm)
}

// carry moves slots to a node that may have been marked for them since before
// the owner was failed over. Such a node still takes the old owner for the
// owner, or nobody, and hears nothing else from gossip, so it is told first. Those
// that can't move are held.
func (c *closing) carry(ctx context.Context, from, to string, slots []int) (held map[int]error, err error) {
	w, err := c.pair(ctx, from, to)
	if err != nil {
		return nil, err
	}
	ready, found, held, err := w.survey(ctx, slots)
	if err != nil {
		return nil, err
	}
	c.gone.on(w)
	self, _, err := w.to.view(ctx)
	if err != nil {
		return held, err
	}
	owned := self.Slots()
	foreign := slices.DeleteFunc(slices.Clone(ready), owned.Has)
	for _, err := range w.to.setSlots(ctx, foreign, "NODE", w.from.id) {
		if err != nil {
			return held, err
		}
	}
	return held, w.carry(ctx, ready, found)
}
