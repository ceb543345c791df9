package live

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

const (
	// farthest is how many times the addresses that answers name are followed.
	// Members know all members, so the first round finds everybody; the second
	// is for a cluster that has just met.
	farthest = 2
	// mostStrangers bounds the nodes dialled in one round that no place covers.
	mostStrangers = 1000
)

// Observe asks every place of the platform at once, then the members they know
// that no place covers, and merges what they say; see findStray for keys astray. A silent node costs the pass
// its own deadline once and is in the state as silent. The error is about the
// platform or the context, never about a server.
func (c *Cluster) Observe(ctx context.Context) (cluster.State, error) {
	c.renew()
	places, err := c.platform.Places(ctx)
	if err != nil {
		return cluster.State{}, fmt.Errorf("list the nodes: %w", err)
	}
	before, left, damaged := c.roster()
	before.hint(places)
	views := c.askAll(ctx, places)
	before.recognise(views)
	views = append(views, c.former(ctx, before, views)...)
	seen := cluster.Merge(views)
	for range farthest {
		more := uncovered(views, seen, before)
		if len(more) == 0 {
			break
		}
		views = append(views, c.askAll(ctx, more)...)
		seen = cluster.Merge(views)
	}
	// A pass that was cut off saw silence where there is none.
	if err := ctx.Err(); err != nil {
		return cluster.State{}, err
	}
	c.countAlone(ctx, views, &seen)
	c.findStray(ctx, views, &seen)
	if err := ctx.Err(); err != nil {
		return cluster.State{}, err
	}
	if damaged != nil {
		seen.Unremembered = damaged.Error()
	}
	c.nameStrangers(left, &seen)
	seen.Former = c.ranOn(ctx, before, left, seen)
	c.keep(views)
	c.beside = besides(seen)
	if k, ok := c.platform.(Keeper); ok {
		seen.Served = k.Served()
	}
	if f, ok := c.platform.(Furnisher); ok {
		if seen.Fixtures, err = f.Fixtures(ctx); err != nil {
			return cluster.State{}, err
		}
	}
	return seen, nil
}

// former asks where members stood before, when nobody who was asked is one of
// them: a file in which every address changed, or that names another cluster's
// servers, must not pass for a new cluster while the one it is about lives. Only
// those that answer as who they were are believed.
func (c *Cluster) former(ctx context.Context, before roster, views []cluster.View) []cluster.View {
	taken, at := map[string]bool{}, map[string]bool{}
	for _, v := range views {
		if v.Remembered {
			return nil
		}
		taken[v.Place.Name], at[v.Place.Addr] = true, true
	}
	var places []cluster.Place
	for _, id := range slices.Sorted(maps.Keys(before)) {
		if addr := before[id].Addr; addr != "" && !at[addr] {
			places = append(places, before.place(id, addr, taken))
		}
	}
	found := c.askAll(ctx, places)
	before.recognise(found)
	return slices.DeleteFunc(found, func(v cluster.View) bool {
		self := cluster.Myself(v.Lines)
		return self == nil || self.ID != v.Place.ID
	})
}

// besides are the members that answer and that the platform does not list.
func besides(seen cluster.State) []cluster.Place {
	var out []cluster.Place
	for i := range seen.Nodes {
		if n := &seen.Nodes[i]; n.Member && !n.Listed && n.Health == cluster.Up {
			out = append(out, cluster.Place{Name: n.Name, Addr: n.Addr, Exists: true})
		}
	}
	return out
}

func (c *Cluster) askAll(ctx context.Context, places []cluster.Place) []cluster.View {
	directives := c.directives()
	views := make([]cluster.View, len(places))
	each(places, func(i int, place cluster.Place) { views[i] = c.ask(ctx, place, directives) })
	return views
}

// uncovered are the nodes that members know and no view is about. Only members
// are believed: a server of another cluster could name any address, and to dial
// it would show it the password.
func uncovered(views []cluster.View, seen cluster.State, before roster) []cluster.Place {
	covered := map[string]bool{}
	names := map[string]bool{}
	for _, v := range views {
		covered[v.Place.Addr] = true
		covered[v.Place.Alias] = true // its old address may be somebody else's by now
		names[v.Place.Name] = true
		if self := cluster.Myself(v.Lines); self != nil {
			covered[self.ID] = true
		} else if v.Place.ID != "" {
			covered[v.Place.ID] = true
		}
	}
	var more []cluster.Place
	delete(covered, "")
	for _, v := range views {
		if !believed(v, seen) {
			continue
		}
		for _, line := range v.Lines {
			addr := address(line)
			if addr == "" || covered[line.ID] || covered[addr] || covered[alias(line)] || len(more) == mostStrangers {
				continue
			}
			covered[line.ID], covered[addr] = true, true
			more = append(more, before.place(line.ID, addr, names))
		}
	}
	return more
}

func believed(v cluster.View, seen cluster.State) bool {
	self := cluster.Myself(v.Lines)
	if self == nil {
		return false
	}
	node := seen.ByID(self.ID)
	return node != nil && node.Member && !node.Foreign
}

// alias is the name that a line's node announces, with its port; "" without one.
func alias(line cluster.Line) string {
	if line.Name == "" {
		return ""
	}
	return net.JoinHostPort(line.Name, strconv.Itoa(line.Port))
}

// address is where a line says that its node listens for clients; "" when it
// says nothing usable.
func address(line cluster.Line) string {
	if line.Host == "" || line.Port == 0 || line.Flags.NoAddr || line.Flags.Handshake {
		return ""
	}
	return net.JoinHostPort(line.Host, strconv.Itoa(line.Port))
}
