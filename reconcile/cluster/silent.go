package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

// heard is what members say of one peer that does not answer.
type heard struct {
	addrs  []address
	owns   []claim // distinct sets of slots that are told of it
	roles  []role
	epoch  uint64
	fails  int // answering masters with slots that flag it fail
	lines  int // members that list it
	noAddr int // of those, how many have no address for it
}

type address struct {
	host, name string
	port       int
	count      int
}

type claim struct {
	ranges []slot.Range
	epoch  uint64
	count  int
}

type role struct {
	master string // "": it is a master
	by     []*node
}

// listen gathers what the main component says of peers that do not answer.
func (m *merger) listen() {
	for _, n := range m.main {
		voter := len(n.self.Ranges) > 0
		for i, k := range n.at {
			if k < 0 || m.peers[k].self != nil {
				continue
			}
			m.peers[k].hear(&n.view.Lines[i], n, voter)
		}
	}
}

func (p *peer) hear(l *Line, by *node, voter bool) {
	p.hearAddress(l)
	p.hearSlots(l)
	p.epoch = max(p.epoch, l.Epoch)
	p.lines++
	if l.Flags.NoAddr {
		p.noAddr++
	}
	if voter && l.Flags.Fail {
		p.fails++
	}
	// Gossip tells a newcomer that a node is a replica, and not whose; that only
	// the node itself could say (clusterProcessGossipSection).
	if !l.Flags.Master && (!l.Flags.Replica || l.Master == "") {
		return
	}
	i := slices.IndexFunc(p.roles, func(r role) bool { return r.master == l.Master })
	if i < 0 {
		i = len(p.roles)
		p.roles = append(p.roles, role{master: l.Master})
	}
	p.roles[i].by = append(p.roles[i].by, by)
}

func (p *peer) hearAddress(l *Line) {
	for i, a := range p.addrs {
		if a.host == l.Host && a.port == l.Port && a.name == l.Name {
			p.addrs[i].count++
			return
		}
	}
	if l.Host != "" || l.Name != "" {
		p.addrs = append(p.addrs, address{l.Host, l.Name, l.Port, 1})
	}
}

func (p *peer) hearSlots(l *Line) {
	if l.Ranges == nil {
		return
	}
	for i := range p.owns {
		if slices.Equal(p.owns[i].ranges, l.Ranges) {
			p.owns[i].count++
			p.owns[i].epoch = max(p.owns[i].epoch, l.Epoch)
			return
		}
	}
	p.owns = append(p.owns, claim{l.Ranges, l.Epoch, 1})
}

// name gives every peer that the main component lists a node: the silent place
// it stands at, else a new one.
func (m *merger) name() {
	var silent []*peer
	for k, p := range m.peers {
		if p.self == nil && m.inMain.has(k) {
			silent = append(silent, p)
		}
	}
	slices.SortFunc(silent, func(a, b *peer) int { return cmp.Compare(a.id, b.id) })
	m.matchHints(silent)
	m.matchAddresses(silent)
	taken := m.taken()
	m.nodes = slices.DeleteFunc(m.nodes, m.notOurs)
	for _, p := range silent {
		if p.node == nil {
			m.addStranger(p, taken)
		}
	}
}

func (m *merger) matchHints(silent []*peer) {
	for _, n := range m.nodes {
		if n.peer != nil || n.place.ID == "" || n.view != nil {
			continue
		}
		for _, p := range silent {
			if p.id == n.place.ID && p.node == nil {
				n.peer, n.ID, p.node = p, p.id, n
			}
		}
	}
}

// matchAddresses pairs silent places with the peers at their address. Where
// two are known there, one of them is a former identity of the place: the one
// that members flag fail or know least of.
func (m *merger) matchAddresses(silent []*peer) {
	at := map[string][]*peer{}
	for _, p := range silent {
		for _, a := range p.addrs {
			for _, host := range []string{a.host, a.name} {
				if addr := joinAddr(host, a.port); addr != "" && p.node == nil {
					at[addr] = append(at[addr], p)
				}
			}
		}
	}
	for _, n := range m.nodes {
		if n.peer != nil || n.view != nil {
			continue
		}
		best := (*peer)(nil)
		for _, p := range slices.Concat(at[n.Addr], at[n.place.Alias]) {
			if p.node == nil && (best == nil || likelier(p, best)) {
				best = p
			}
		}
		if best != nil {
			n.peer, n.ID, best.node = best, best.id, n
		}
	}
}

func likelier(a, b *peer) bool {
	return cmp.Or(
		cmp.Compare(b.fails, a.fails),
		cmp.Compare(a.seen(), b.seen()),
		cmp.Compare(a.epoch, b.epoch),
		cmp.Compare(b.id, a.id),
	) > 0
}

func (h *heard) seen() int {
	total := 0
	for _, a := range h.addrs {
		total += a.count
	}
	return total
}

// notOurs says that a stranger's server has nothing to do with the cluster.
func (m *merger) notOurs(n *node) bool {
	if !n.foreign || n.main {
		return false
	}
	return n.peer == nil || !m.inMain.has(m.index[n.ID])
}

// taken maps the names and addresses of all places to their nodes.
func (m *merger) taken() map[string]*node {
	out := make(map[string]*node, 2*len(m.nodes))
	for _, n := range m.nodes {
		out[n.Name] = n
		if n.Addr != "" {
			out[n.Addr] = n
		}
	}
	return out
}

// addStranger makes the node of a peer that no place covers. Where its address
// is that of a place, it is a former identity of that place: it was ours, and
// nothing answers as it there, so it has no address to dial.
func (m *merger) addStranger(p *peer, taken map[string]*node) {
	n := &node{peer: p, Node: blank(Place{Name: p.id, Addr: p.id})}
	n.Addr, n.Host, n.ID, p.node = "", "", p.id, n
	n.Trouble = "its address is not known"
	a := p.address()
	addr := joinAddr(a.host, a.port)
	if owner := taken[addr]; owner != nil {
		n.Before = !owner.foreign
		n.Zone, n.Host = owner.Zone, owner.Host
		n.Trouble = "its address is now that of " + owner.Name
	} else if addr != "" {
		n.Name, n.Addr, n.Host = addr, addr, a.host
		n.Trouble = "it was not asked"
		taken[addr] = n
	}
	m.nodes = append(m.nodes, n)
}

// address is the one most members know, the smallest of several.
func (h *heard) address() address {
	var best address
	for _, a := range h.addrs {
		if a.count > best.count || a.count == best.count && joinAddr(a.host, a.port) < joinAddr(best.host, best.port) {
			best = a
		}
	}
	return best
}

// master is the role most members tell, the smallest ID of several.
func (h *heard) role() role {
	var best role
	for _, r := range h.roles {
		if len(r.by) > len(best.by) || len(r.by) == len(best.by) && r.master < best.master {
			best = r
		}
	}
	return best
}

// joinAddr is host:port, with brackets around IPv6; "" without a host.
func joinAddr(host string, port int) string {
	if host == "" {
		return ""
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

func splitAddr(addr string) (host, port string) {
	i := strings.LastIndexByte(addr, ':')
	if i < 0 {
		return addr, ""
	}
	return strings.Trim(addr[:i], "[]"), addr[i+1:]
}
