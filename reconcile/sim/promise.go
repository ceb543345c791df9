package sim

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

// Unserved are the slots that no answering master serves by its own table.
func (w *World) Unserved() slot.Set {
	w.mu.Lock()
	defer w.mu.Unlock()
	left := slot.All()
	for _, s := range w.servers {
		if s.answers() && s.isMaster() {
			left = left.Minus(s.self().slots)
		}
	}
	return left
}

// Keys are all keys and values that answering masters hold: of a key held by
// several, the value a client would read.
func (w *World) Keys() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]string{}
	for _, s := range w.servers {
		if !s.answers() || !s.isMaster() {
			continue
		}
		for n, b := range s.keys {
			for k, v := range b {
				if _, twice := out[k]; twice {
					v = w.readFrom(s, n, k, v)
				}
				out[k] = v
			}
		}
	}
	return out
}

func (w *World) readFrom(s *server, n int, key, otherwise string) string {
	if at := w.routed(s, n, key); at != nil {
		if v, ok := at.get(key); ok {
			return v
		}
	}
	return otherwise
}

// Astray are the keys held by an answering master that a client can't reach by
// MOVED and ASK from some member, sorted. It does not ask whether the cluster
// is in state ok.
func (w *World) Astray() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	found := map[string]bool{}
	for _, holder := range w.servers {
		if !holder.answers() || !holder.isMaster() {
			continue
		}
		for n, b := range holder.keys {
			for k := range b {
				if !w.reachable(n, k) {
					found[k] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// reachable tries every answering server that is in a cluster as the first one
// a client asks.
func (w *World) reachable(n int, key string) bool {
	for _, first := range w.servers {
		if !first.answers() || first.owned == 0 {
			continue
		}
		at := w.routed(first, n, key)
		if at == nil {
			return false
		}
		if _, ok := at.get(key); !ok {
			return false
		}
	}
	return true
}

// routed is the server that serves a key to a client that asks s first; nil
// when the redirections end nowhere.
func (w *World) routed(s *server, n int, key string) *server {
	asking := false
	for range 16 {
		_, has := s.get(key)
		err := s.redirect(n, asking, !has, false)
		if err == nil {
			return s
		}
		var addr string
		if addr, asking = target(err); addr == "" {
			return nil
		}
		if s = w.at[addr]; s == nil || !s.answers() {
			return nil
		}
	}
	return nil
}

// target is where a redirection sends the client.
func target(err error) (addr string, ask bool) {
	f := strings.Fields(err.Error())
	if len(f) != 3 || f[0] != "MOVED" && f[0] != "ASK" {
		return "", false
	}
	return f[2], f[0] == "ASK"
}

// Misdirection is an owner that sends clients to a node that will not serve
// them: one that does not answer, or that neither imports the slot nor owns it.
type Misdirection struct {
	Slot     int
	From, To string // addresses
}

func (m Misdirection) String() string {
	return fmt.Sprintf("%s sends clients of slot %d to %s, which will not serve them", m.From, m.Slot, m.To)
}

// Misdirected are all misdirections there are.
func (w *World) Misdirected() []Misdirection {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []Misdirection
	for _, s := range w.servers {
		if !s.answers() || !s.isMaster() {
			continue
		}
		ends := map[ident]*server{} // asked after every command: most marks name the same few
		for n, id := range s.migrating {
			if s.owner[n] != s.me {
				continue
			}
			p := s.peers[id]
			to, known := ends[id]
			if !known {
				to = w.reach(s, p.host, p.port)
				ends[id] = to
			}
			if to == nil || !to.takes(n) {
				out = append(out, Misdirection{n, s.addr, net.JoinHostPort(p.host, strconv.Itoa(p.port))})
			}
		}
	}
	slices.SortFunc(out, func(a, b Misdirection) int { return cmp.Or(cmp.Compare(a.Slot, b.Slot), cmp.Compare(a.From, b.From)) })
	return out
}

// takes says that s serves a slot to a client that asks.
func (s *server) takes(n int) bool {
	_, importing := s.importing[n]
	return importing || s.owner[n] == s.me
}
