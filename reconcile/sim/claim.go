package sim

import "github.com/slotwright/slotwright/spec/slot"

// update is s learning that a master claims slots with an epoch
// (clusterUpdateSlotsConfigWith). The greater epoch wins, except over slots s
// is importing, or whose owner did not claim them when it was last heard. A node
// whose master lost its last slot follows the new owner; else it drops the keys of
// slots it lost. This is where data is lost for good.
func (w *World) update(s *server, sender ident, epoch uint64, claimed slot.Set) {
	master := s.me
	if m := s.self().master; m != none {
		master = m
	}
	for n := range s.peers[sender].slots.Minus(claimed).Each() {
		s.unclaimed.Add(n)
	}
	var dirty []int
	taken := 0
	for n := range claimed.Minus(s.peers[sender].slots).Each() {
		o := s.owner[n]
		if _, importing := s.importing[n]; importing {
			continue
		}
		if o != none && s.peers[o].epoch >= epoch && !s.unclaimed.Has(n) {
			continue
		}
		if o == s.me && s.count(n) > 0 {
			dirty = append(dirty, n)
		}
		if o == master {
			taken++
		}
		s.own(n, sender)
	}
	bare := taken > 0 && (s.peer(master) == nil || s.peers[master].slots.Empty())
	if bare && (s.config[allowMigration] == "yes" || taken == claimed.Len()) {
		w.setMaster(s, sender)
		return
	}
	for _, n := range dirty {
		delete(s.keys, n) // redis 7.0 does not tell its replicas
	}
}

// setMaster makes s a replica. Its own marks go, and its data is what it was
// until the first sync replaces it.
func (w *World) setMaster(s *server, master ident) {
	for n := range s.self().slots.Each() {
		s.disown(n)
	}
	clear(s.migrating)
	clear(s.importing)
	s.self().master = master
	s.linked, s.sync, s.failover = false, syncTime, nil
}

// bump gives s the greatest config epoch without asking anybody
// (clusterBumpConfigEpochWithoutConsensus); false when it has it already.
func (s *server) bump() bool {
	top := s.current
	for _, p := range s.peers {
		if p != nil {
			top = max(top, p.epoch)
		}
	}
	if s.self().epoch != 0 && s.self().epoch == top {
		return false
	}
	s.current++
	s.self().epoch = s.current
	return true
}

// broadcast lets every node s reaches hear it now and not at the next tick.
func (w *World) broadcast(s *server) {
	for i, p := range s.peers {
		if p == nil || ident(i) == s.me {
			continue
		}
		if to := w.reach(s, p.host, p.port); to != nil && to.me == ident(i) {
			w.hear(to, s)
		}
	}
}

// updateState is cluster_state as s sees it. A master that just started or was
// in a minority waits before it serves again.
func (w *World) updateState(s *server) {
	ok := s.owned == slot.Count
	size, reached := 0, 0
	for _, p := range s.peers {
		if p == nil || p.slots.Empty() {
			continue
		}
		size++
		if !p.pfail && !p.fail {
			reached++
		}
		ok = ok && !p.fail
	}
	if reached < size/2+1 {
		s.minority = w.now
		ok = false
	}
	waits := s.isMaster() && (w.now-s.started < writableDelay || w.now-s.minority < rejoinDelay)
	s.ok = ok && (s.ok || !waits)
}
