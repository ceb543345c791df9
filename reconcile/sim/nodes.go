package sim

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// nodesText is CLUSTER NODES as s prints it.
func (w *World) nodesText(s *server) string {
	var b strings.Builder
	for i, p := range s.peers {
		if p == nil {
			continue
		}
		w.nodeLine(&b, s, ident(i), p)
	}
	for _, h := range s.handshakes {
		fmt.Fprintf(&b, "%s %s:%d@%d handshake - 0 0 0 disconnected\n", handshakeID(h), h.host, h.port, h.port+10000)
	}
	return b.String()
}

// handshakeID stands for the random ID a node has until it answers.
func handshakeID(h handshake) string {
	sum := uint64(14695981039346656037)
	for _, c := range fmt.Sprint(h.host, h.port) {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return fmt.Sprintf("%08x%016x%016x", uint32(sum), sum, sum*31)
}

func (w *World) nodeLine(b *strings.Builder, s *server, id ident, p *peer) {
	master, link, port := "-", "connected", p.port
	if p.master != none {
		master = w.ids[p.master]
	}
	if id != s.me && w.now-p.heard > 1 {
		link = "disconnected"
	}
	if id != s.me && p.host == "" {
		port = -10000 // noaddr: no port, no bus
	}
	fmt.Fprintf(b, "%s %s:%d@%d %s %s 0 0 %d %s", w.ids[id], p.host, max(port, 0), port+10000,
		s.flags(id, p), master, s.epochOf(p), link)
	for _, r := range p.slots.Ranges() {
		if r.First == r.Last {
			fmt.Fprintf(b, " %d", r.First)
		} else {
			fmt.Fprintf(b, " %d-%d", r.First, r.Last)
		}
	}
	if id == s.me {
		w.marks(b, s)
	}
	b.WriteByte('\n')
}

// epochOf is nodeEpoch: a replica's is its master's.
func (s *server) epochOf(p *peer) uint64 {
	if m := s.peer(p.master); m != nil {
		return m.epoch
	}
	return p.epoch
}

func (s *server) flags(id ident, p *peer) string {
	var out []string
	if id == s.me {
		out = append(out, "myself")
	}
	if p.master == none {
		out = append(out, "master")
	} else {
		out = append(out, "slave")
	}
	if p.pfail {
		out = append(out, "fail?")
	}
	if p.fail {
		out = append(out, "fail")
	}
	if id != s.me && p.host == "" {
		out = append(out, "noaddr")
	}
	return strings.Join(out, ",")
}

func (w *World) marks(b *strings.Builder, s *server) {
	open := slices.Concat(slices.Collect(maps.Keys(s.migrating)), slices.Collect(maps.Keys(s.importing)))
	sort.Ints(open)
	for _, n := range slices.Compact(open) {
		if to, ok := s.migrating[n]; ok {
			fmt.Fprintf(b, " [%d->-%s]", n, w.ids[to])
		} else {
			fmt.Fprintf(b, " [%d-<-%s]", n, w.ids[s.importing[n]])
		}
	}
}

// clusterInfo is CLUSTER INFO.
func (w *World) clusterInfo(s *server) string {
	state := "fail"
	if s.ok {
		state = "ok"
	}
	known, size, pfail, fail := len(s.handshakes), 0, 0, 0
	for _, p := range s.peers {
		if p == nil {
			continue
		}
		known++
		n := p.slots.Len()
		if n > 0 {
			size++
		}
		if p.pfail {
			pfail += n
		}
		if p.fail {
			fail += n
		}
	}
	cast := ""
	if s.cast > 0 { // what never was is left out
		cast = fmt.Sprintf("cluster_stats_messages_auth-ack_sent:%d\r\n", s.cast)
	}
	return fmt.Sprintf("cluster_enabled:1\r\ncluster_state:%s\r\ncluster_slots_assigned:%d\r\ncluster_slots_ok:%d\r\n"+
		"cluster_slots_pfail:%d\r\ncluster_slots_fail:%d\r\ncluster_known_nodes:%d\r\ncluster_size:%d\r\n"+
		"cluster_current_epoch:%d\r\ncluster_my_epoch:%d\r\n",
		state, s.owned, s.owned-pfail-fail, pfail, fail, known, size, s.current, s.epochOf(s.self())) + cast
}
