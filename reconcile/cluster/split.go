package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

func (m *merger) say(format string, args ...any) {
	m.split = append(m.split, fmt.Sprintf(format, args...))
}

func (m *merger) tellFights(fights map[fight]*slot.Set) {
	for f, slots := range fights {
		m.say("%s (epoch %d) and %s (epoch %d) both claim %s",
			f.winner.Name, f.winner.Epoch, f.loser.Name, f.loser.Epoch, slotsText(*slots))
	}
}

func (d dispute) tell(what *disputed) string {
	verb := "see"
	if len(what.by) == 1 {
		verb = "sees"
	}
	return fmt.Sprintf("%s %s %s at %s, and by the owners' word at %s",
		namesText(what.by), verb, slotsText(what.slots), nameOf(d.said), nameOf(d.owner))
}

func nameOf(n *node) string {
	if n == nil {
		return "nobody"
	}
	return n.Name
}

// tellRoles says where members and a node differ in whom it follows; of a
// silent node, where members differ among themselves. One that handed its slots
// over before it ended for good told some, and will tell nobody else.
func (m *merger) tellRoles() {
	roles := map[*node][]role{}
	for _, by := range m.main {
		for i, k := range by.at {
			l := &by.view.Lines[i]
			if k < 0 || m.peers[k].self == nil || !l.Flags.Master && !l.Flags.Replica {
				continue
			}
			if n := m.peers[k].self; l.Master != n.Master {
				roles[n] = addRole(roles[n], l.Master, by)
			}
		}
	}
	for _, n := range m.nodes {
		if over := n.Replaced && n.Slots.Empty(); n.view == nil && n.peer != nil && !over {
			roles[n] = slices.DeleteFunc(slices.Clone(n.peer.roles), func(r role) bool { return r.master == n.Master })
		}
	}
	for n, all := range roles {
		for _, r := range all {
			m.say("to %s %s is %s, and it is %s", namesText(r.by), n.Name, m.roleText(r.master), m.roleText(n.Master))
		}
	}
}

func addRole(roles []role, master string, by *node) []role {
	for i := range roles {
		if roles[i].master == master {
			roles[i].by = append(roles[i].by, by)
			return roles
		}
	}
	return append(roles, role{master, []*node{by}})
}

func (m *merger) roleText(master string) string {
	if master == "" {
		return "a master"
	}
	if k, ok := m.index[master]; ok && m.peers[k].node != nil {
		master = m.peers[k].node.Name
	}
	return "a replica of " + master
}

// tellEpochs names masters with slots whose epochs are equal: until one of them
// takes a new one, no claim of theirs wins over the other's.
func (m *merger) tellEpochs() {
	at := map[uint64][]*node{}
	for _, n := range m.nodes {
		if n.Member && n.Master == "" && !n.Slots.Empty() {
			at[n.Epoch] = append(at[n.Epoch], n)
		}
	}
	for epoch, nodes := range at {
		if len(nodes) > 1 {
			m.say("%s have the same epoch %d", namesText(nodes), epoch)
		}
	}
}

// tellOthers names places whose servers serve slots outside the cluster. A
// server that knows nobody and claims only what answering members own is no
// contradiction: it woke up with the data of an earlier life.
func (m *merger) tellOthers() {
	var served slot.Set
	for _, n := range m.main {
		served = served.Union(n.self.Slots())
	}
	for _, n := range m.asked {
		own := n.self.Slots()
		rest := own.Minus(served)
		if n.Member || n.foreign || own.Empty() || n.alone() && rest.Empty() {
			continue
		}
		if n.Foreign {
			m.say("%s serves %s in another cluster", n.Name, slotsText(own))
		} else {
			m.say("%s claims %s and no member knows it", n.Name, slotsText(own))
		}
	}
}

// namesText is "n1", "n1 and n2" or "n1 and 7 more".
func namesText(nodes []*node) string {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	slices.Sort(names)
	switch len(names) {
	case 1:
		return names[0]
	case 2, 3:
		last := len(names) - 1
		return strings.Join(names[:last], ", ") + " and " + names[last]
	}
	return fmt.Sprintf("%s and %d more", names[0], len(names)-1)
}

// slotsText is "slot 5" or "21 slots (0-9,100-110)", cut short where the
// ranges are many.
func slotsText(s slot.Set) string {
	const most = 4
	if s.Len() == 1 {
		return "slot " + s.String()
	}
	text := s.String()
	if parts := strings.SplitN(text, ",", most+1); len(parts) > most {
		text = strings.Join(parts[:most], ",") + ",..."
	}
	return fmt.Sprintf("%d slots (%s)", s.Len(), text)
}
