package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// meet makes nodes known to every member, or tells the members a node's new
// address. A MEET merges two clusters for good, so a node is introduced only
// when it is a member already or proves blank and empty right before.
func (w *work) meet(ctx context.Context, steps []plan.Step) error {
	members, err := w.lookAll(ctx, w.members())
	if err != nil {
		return fmt.Errorf("meet: %w", err)
	}
	inside := known(members)
	ours := maps.Clone(inside)
	for i := range w.seen.Nodes { // a run that died may have introduced some to each other
		if n := &w.seen.Nodes[i]; n.Listed && n.Health == cluster.Up && !n.Foreign {
			ours[n.ID] = true
		}
	}
	found := make([]*look, len(steps))
	errs := make([]error, len(steps), len(steps)+1)
	each(steps, func(i int, s plan.Step) {
		if found[i], errs[i] = w.lookByName(ctx, s.Node); errs[i] == nil {
			errs[i] = mayJoin(found[i], inside, ours)
		}
		if errs[i] != nil {
			errs[i] = fmt.Errorf("meet %s: %w", s.Node, errs[i])
		}
	})
	var guests []*look
	var done []plan.Step
	for i, s := range steps {
		if errs[i] == nil {
			guests, done = append(guests, found[i]), append(done, s)
		}
	}
	if err := w.join(ctx, members, guests); err != nil {
		return errors.Join(append(errs, fmt.Errorf("meet: %w", err))...)
	}
	for _, s := range done {
		w.done(s, "")
	}
	return errors.Join(errs...)
}

// known are the IDs that any member knows: those of our cluster.
func known(members []*look) map[string]bool {
	ours := map[string]bool{}
	for _, m := range members {
		for id := range m.lines {
			if m.knows(id) != nil || m.lines[id].Flags.NoAddr {
				ours[id] = true
			}
		}
	}
	return ours
}

// mayJoin is nil when introducing the guest can't merge another cluster into
// ours and can't overwrite an owner: the members expect its ID, or it is empty
// and knows nobody but ours.
func mayJoin(guest *look, members, ours map[string]bool) error {
	if members[guest.self.ID] {
		return nil
	}
	for _, line := range guest.lines {
		if line.Flags.Handshake { // under a made-up ID
			return errors.New("it is being introduced to others at this moment: whose they are shows when they have answered")
		}
	}
	for id, line := range guest.lines {
		if id != guest.self.ID && !ours[id] || !members[id] && len(line.Ranges) > 0 {
			return fmt.Errorf("it knows %d other nodes: it belongs to another cluster", len(guest.lines)-1)
		}
	}
	if !guest.self.Flags.Master {
		return errors.New("it is a replica of another node")
	}
	return guest.empty()
}

// join introduces guests to all members and to each other and waits until
// everybody knows them.
func (w *work) join(ctx context.Context, members, guests []*look) error {
	if err := w.setEpochs(ctx, members, guests); err != nil {
		return err
	}
	if err := w.introduce(ctx, introductions(members, guests)); err != nil {
		return err
	}
	everybody := append(members[:len(members):len(members)], guests...)
	err := w.agree(ctx, w.nodesOf(everybody), everybody, func(l *look) []string {
		missing := strangers(l, guests)
		if slices.ContainsFunc(guests, func(g *look) bool { return g.self.ID == l.self.ID }) {
			missing = append(missing, unheard(l, members)...)
		}
		return missing
	})
	if err == nil {
		return nil
	}
	return cmp.Or(w.unreached(ctx, everybody, guests), err)
}

// unreached are holds of the guests that others don't know, or have no link to,
// and that announce another address than the one we reach them at.
func (w *work) unreached(ctx context.Context, everybody, guests []*look) error {
	var holds []error
	for _, g := range guests {
		ip, port := g.info.Config[cluster.AnnounceIP], strconv.Itoa(g.self.Port)
		if ip == "" || net.JoinHostPort(ip, port) == g.addr {
			continue
		}
		for _, o := range everybody {
			if o.self.ID == g.self.ID {
				continue
			}
			now, err := w.glimpse(ctx, w.seen.Node(o.name))
			if err != nil {
				continue
			}
			if line := now.knows(g.self.ID); line == nil || !line.Linked {
				holds = append(holds, plan.Held{Hold: plan.WrongAddressOf(g.name, net.JoinHostPort(ip, port), "and "+o.name+" can't reach it there")})
				break
			}
		}
	}
	return errors.Join(holds...)
}

// strangers are the guests that l does not know where they are.
func strangers(l *look, guests []*look) []string {
	var out []string
	for _, g := range guests {
		if line := l.knows(g.self.ID); line == nil || line.Port != g.self.Port || line.Flags.Fail {
			out = append(out, g.self.ID)
		}
	}
	return out
}

// unheard are the members whose role and slots a guest has not heard of. Until
// it has, it contradicts them, and nothing can be planned.
func unheard(guest *look, members []*look) []string {
	var out []string
	for _, m := range members {
		line := guest.knows(m.self.ID)
		if line == nil || line.Master != m.self.Master || len(line.Ranges) == 0 && len(m.self.Ranges) > 0 {
			out = append(out, m.self.ID)
		}
	}
	return out
}

// mostHosts is how many members introduce one guest. One would do; with a few
// more, gossip starts from several places at once.
const mostHosts = 8

// introductions says who introduces whom: members every guest, and each guest
// those after it.
func introductions(members, guests []*look) map[*look][]*look {
	calls := map[*look][]*look{}
	for i, guest := range guests {
		hosts := append(members[:len(members):len(members)], guests[:i]...)
		for k := range min(len(hosts), mostHosts) {
			host := hosts[(i+k)%len(hosts)]
			if host.self.ID != guest.self.ID {
				calls[host] = append(calls[host], guest)
			}
		}
	}
	return calls
}

// setEpochs gives blank nodes distinct config epochs while no slot has an
// owner, so that fifty new masters need not sort it out among themselves. A node
// that joins a cluster with owners must not get one: a claim with a higher epoch
// would win over an owner's. The command works only while a node knows nobody
// and its epoch is 0.
func (w *work) setEpochs(ctx context.Context, members, guests []*look) error {
	all := append(members[:len(members):len(members)], guests...)
	var last uint64
	for _, l := range all {
		for _, line := range l.lines {
			if len(line.Ranges) > 0 {
				return nil
			}
			last = max(last, line.Epoch)
		}
	}
	epochs := map[*look]uint64{}
	var blank []*look
	for _, g := range guests {
		if g.alone() && g.self.Epoch == 0 {
			last++
			epochs[g] = last
			blank = append(blank, g)
		}
	}
	return eachErr(blank, func(g *look) error {
		if _, err := w.command(ctx, g.addr, "CLUSTER", "SET-CONFIG-EPOCH", epochs[g]); err != nil {
			return fmt.Errorf("give %s its config epoch: %w", g.name, err)
		}
		return nil
	})
}

// nodesOf are the seen nodes of looks.
func (w *work) nodesOf(looks []*look) []*cluster.Node {
	nodes := make([]*cluster.Node, 0, len(looks))
	have := map[string]bool{}
	for _, l := range looks {
		if n := w.seen.Node(l.name); n != nil && !have[l.name] {
			have[l.name] = true
			nodes = append(nodes, n)
		}
	}
	return nodes
}
