package cluster

import (
	"cmp"
	"slices"
)

// describe fills in what each node says of itself or, where it is silent, what
// members say.
func (m *merger) describe() {
	voters := 0
	for _, n := range m.main {
		if len(n.self.Ranges) > 0 {
			voters++
		}
	}
	for _, n := range m.nodes {
		switch {
		case n.view != nil:
			n.speak()
		case n.peer != nil:
			n.Master, n.Epoch = n.peer.role().master, n.peer.epoch
			failed := 2*n.peer.fails > voters
			n.Gone = failed && (n.refused || n.Health == Absent)
			n.Replaced = n.peer.lines > 0 && n.peer.lines == n.peer.noAddr || failed && len(n.peer.owns) == 0 && m.renamed(n.peer)
			if n.Health == Silent && failed {
				n.Health = Failed
			}
		}
		n.Member = n.peer != nil && m.inMain.has(m.index[n.ID])
	}
	m.acquaint()
	for _, n := range m.main {
		m.findMoved(n)
	}
	for _, n := range m.nodes {
		slices.Sort(n.Unreached)
		slices.Sort(n.Misled)
	}
}

// renamed reports whether another node answers at the place whose name a silent peer
// has, as all say who know a name of it. Newcomers know none.
func (m *merger) renamed(p *peer) bool {
	var told []string
	for _, a := range p.addrs {
		told = append(told, joinAddr(a.name, a.port))
	}
	name := AgreedAlias(told)
	return name != "" && slices.ContainsFunc(m.asked, func(n *node) bool { return n.place.Alias == name })
}

// AgreedAlias is the alias that all give who give one; "" where nobody does, or
// they differ.
func AgreedAlias(told []string) string {
	name := ""
	for _, at := range told {
		if at != "" && name != "" && at != name {
			return ""
		}
		name = cmp.Or(name, at)
	}
	return name
}

// speak takes over a node's own answer.
func (n *node) speak() {
	info := &n.view.Info
	n.Health = Up
	if info.Loading {
		n.Health = Loading
	}
	n.Alone = n.alone()
	n.Master, n.Epoch = n.self.Master, n.self.Epoch
	n.IP, n.Hostname = n.self.Host, n.self.Name
	n.Keys, n.Linked, n.Ready = info.Keys, info.Linked, info.Ready
	n.Memory, n.Server, n.Config = info.Memory, info.Server, info.Config
	n.Memory.Limit = n.place.Memory
	n.Borrowed, n.Syncing = info.Borrowed, info.Syncing
	if ip := info.Config[AnnounceIP]; ip != "" {
		n.Announced = joinAddr(ip, n.self.Port)
	}
	if info.Loading { // the keyspace is not complete yet
		n.Keys = Unknown
	}
}

// acquaint says at whom each member is unknown.
func (m *merger) acquaint() {
	names := make([]string, len(m.main))
	for i, n := range m.main {
		names[i] = n.Name
	}
	slices.Sort(names)
	for _, n := range m.nodes {
		if !n.Member {
			continue
		}
		if n.view != nil && !n.main {
			n.UnknownAt = names
			continue
		}
		own := m.index[n.ID]
		for _, other := range m.main {
			if !other.knows.has(own) {
				n.UnknownAt = append(n.UnknownAt, other.Name)
			}
		}
		slices.Sort(n.UnknownAt)
	}
}

// findMoved looks at how a member's lines name the others, and whom it reaches. A node that answers
// at an address other than the one a member knows, and that the member can't
// reach there, has moved. A member that does reach it knows an address that
// works: the one dialled from here may be another way to the same server.
func (m *merger) findMoved(by *node) {
	for i, k := range by.at {
		if k < 0 || m.peers[k].self == nil || m.peers[k].self == by {
			continue
		}
		l, n := &by.view.Lines[i], m.peers[k].self
		told := n.Announced != "" && n.Announced == joinAddr(l.Host, l.Port)
		if n.Announced != "" && !told {
			n.Misled = append(n.Misled, by.Name)
		}
		lost := l.Flags.PFail || l.Flags.Fail || l.Flags.NoAddr || !l.Linked
		if !lost {
			continue
		}
		n.Unreached = append(n.Unreached, by.Name)
		if n.Moved || told {
			continue // what it announces comes back whatever it is told
		}
		known := n.Addr == "" || n.Addr == joinAddr(l.Host, l.Port) || n.Addr == joinAddr(l.Name, l.Port)
		n.Moved = !known
	}
}

// lag compares each replica's place in the stream with its master's. The two
// were not asked at the same moment, so a replica may seem to be ahead.
func (m *merger) lag() {
	for _, n := range m.nodes {
		if n.view == nil {
			continue
		}
		if n.Master == "" {
			n.Lag = 0
			continue
		}
		k, ok := m.index[n.Master]
		if !ok || m.peers[k].self == nil {
			continue
		}
		replica, master := n.view.Info, &m.peers[k].self.view.Info
		if replica.Offset >= 0 && master.Offset >= 0 {
			n.Lag = max(master.Offset-replica.Offset, 0)
			if replica.Linked {
				replica.Offset = min(replica.Offset, master.Offset)
			}
		}
		n.Unproven = replica.Keys != 0 && !master.Has(&replica)
	}
}
