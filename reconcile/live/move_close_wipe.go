package live

import (
	"context"
	"fmt"
	"slices"
)

// wipe takes every mark of a slot away, the owner's last: until then clients
// are sent on for keys the owner does not have, and find nobody there who
// would take a new one. A node that got a key before its mark was gone is
// found by the second count, and the next run brings the key home.
func (c *closing) wipe(ctx context.Context, s int, owner string) error {
	for _, name := range append(c.marked(s, owner), owner) {
		e, err := c.reach(ctx, name)
		if err != nil {
			return err
		}
		if err := e.setSlots(ctx, []int{s}, "STABLE")[0]; err != nil {
			return err
		}
		if name == owner {
			continue
		}
		n, err := e.count(ctx, []int{s})
		if err != nil {
			return err
		}
		if n[0] > 0 {
			return fmt.Errorf("%s got %d keys while it was closing; the next run brings them to %s", name, n[0], owner)
		}
	}
	return nil
}

// marked are the masters other than the owner that show a mark of the slot, as
// the cluster was seen. The mark of a replica (Valkey copies them) is taken
// away at its master. A node that does not answer keeps its mark.
func (c *closing) marked(s int, owner string) []string {
	var out []string
	for _, o := range c.seen.Open {
		n := c.seen.Node(o.At)
		if o.Slot != s || n == nil {
			continue
		}
		if n.Master != "" {
			n = c.seen.ByID(n.Master)
		}
		if n != nil && n.Name != owner && !slices.Contains(out, n.Name) {
			out = append(out, n.Name)
		}
	}
	return out
}
