package sim

// noticeFailures marks nodes that did not answer in time, and those as failed
// that a majority of the masters with slots finds missing.
func (w *World) noticeFailures(s *server) {
	for i, p := range s.peers {
		if p == nil || ident(i) == s.me || w.now-p.heard <= nodeTimeout {
			continue
		}
		p.pfail = !p.fail
		if p.fail || !w.majorityMisses(s, ident(i)) {
			continue
		}
		w.fail(s, ident(i))
		for k, other := range s.peers {
			if other == nil || ident(k) == s.me {
				continue
			}
			if to := w.reach(s, other.host, other.port); to != nil && to.peer(ident(i)) != nil && to.me != ident(i) {
				w.fail(to, ident(i))
			}
		}
	}
}

func (w *World) fail(s *server, id ident) {
	if p := s.peer(id); !p.fail {
		p.fail, p.pfail, p.failed = true, false, w.now
	}
}

func (w *World) majorityMisses(s *server, id ident) bool {
	size, missing := 0, 0
	for i, p := range s.peers {
		if p == nil || p.slots.Empty() {
			continue
		}
		size++
		voter := s
		if ident(i) != s.me {
			voter = w.reach(s, p.host, p.port)
		}
		if voter == nil || voter.me != ident(i) {
			continue
		}
		if seen := voter.peer(id); seen != nil && (seen.pfail || seen.fail) {
			missing++
		}
	}
	return missing >= size/2+1
}

// unfail takes the fail flag from a node that answers again: at once from one
// without slots, from a master only after nobody was elected in its place.
func (s *server) unfail(p *peer, now int) {
	if p.fail && (p.slots.Empty() || now-p.failed > 2*nodeTimeout) {
		p.fail = false
	}
}

// follow keeps a replica in sync with its master: a full copy after a while,
// then every write as it happens.
func (w *World) follow(s *server) {
	id := s.self().master
	if id == none {
		return
	}
	p := s.peer(id)
	var master *server
	if p != nil && p.host != "" {
		master = w.reach(s, p.host, p.port)
	}
	if master == nil || master.me != id {
		s.linked, s.sync = false, syncTime
		return
	}
	if s.linked {
		return
	}
	if s.sync--; s.sync > 0 {
		return
	}
	s.linked, s.history = true, history{id: master.history.id}
	s.keys, s.functions = cloneKeys(master.keys), cloneText(master.functions)
}

// elect is a replica taking over: by order, or because its master has failed
// and a majority of the masters with slots agrees. A shard without slots never
// elects.
func (w *World) elect(s *server) {
	id := s.self().master
	m := s.peer(id)
	if m == nil {
		s.failover = nil
		return
	}
	forced := s.failover != nil
	if forced && w.now > s.failover.until {
		s.failover, forced = nil, false
	}
	if m.slots.Empty() || !forced && !m.fail {
		return
	}
	if forced && !s.failover.force { // the master must agree and the stream be read to its end
		master := w.reach(s, m.host, m.port)
		if master == nil || master.me != id || !s.linked {
			return
		}
	}
	if !forced && w.now <= m.failed { // the delay before an election
		return
	}
	s.current++
	if w.votes(s, id, forced) >= s.quorum() {
		w.takeOver(s, id)
	}
}

func (s *server) quorum() int {
	size := 0
	for _, p := range s.peers {
		if p != nil && !p.slots.Empty() {
			size++
		}
	}
	return size/2 + 1
}

// votes asks the masters with slots. Each votes once per epoch, only for a
// replica of a master it sees failed (or that agreed), and not when it knows a
// newer claim to one of the slots.
func (w *World) votes(s *server, master ident, forced bool) int {
	m, votes := s.peers[master], 0
	for i, p := range s.peers {
		if p == nil || ident(i) == s.me {
			continue
		}
		v := w.reach(s, p.host, p.port)
		if v == nil || v.me != ident(i) || !v.isMaster() || v.self().slots.Empty() || v.vote >= s.current {
			continue
		}
		asks, dead := v.peer(s.me), v.peer(master)
		if asks == nil || asks.master != master || !forced && (dead == nil || !dead.fail) {
			continue
		}
		stale := false
		for n := range m.slots.Each() {
			o := v.peer(v.owner[n])
			stale = stale || o != nil && o.epoch > m.epoch && !v.unclaimed.Has(n)
		}
		if stale {
			continue
		}
		v.current, v.vote, v.cast = max(v.current, s.current), s.current, v.cast+1
		votes++
	}
	return votes
}

// takeOver makes a replica the master of its shard. The half-moved slots of the
// old master are not its own: it has no marks (Redis does not replicate them).
func (w *World) takeOver(s *server, master ident) {
	slots := s.peers[master].slots
	s.self().master, s.self().epoch = none, s.current
	for n := range slots.Each() {
		s.own(n, s.me)
	}
	s.linked, s.failover = false, nil
	s.history = history{id: w.stream(), former: s.history.id}
	w.broadcast(s)
}

// helpOrphans is automatic replica migration: a replica of a master that has
// more working ones than cluster-migration-barrier goes to a master whose
// replicas have all failed.
func (w *World) helpOrphans(s *server) {
	mine := s.self().master
	if mine == none || s.config[allowMigration] != "yes" || !s.linked {
		return
	}
	if working, _ := s.replicas(mine); working <= atoi(s.config[migrationBarrier]) {
		return
	}
	for i, p := range s.peers {
		if p == nil || p.slots.Empty() || p.fail || ident(i) == mine {
			continue
		}
		working, since := s.replicas(ident(i))
		if working == 0 && since > 0 && w.now-since >= orphanTime {
			w.setMaster(s, ident(i))
			return
		}
	}
}

// replicas counts the working replicas of a master, and tells when the last of
// the others failed (0: it never had one).
func (s *server) replicas(master ident) (working, failed int) {
	for _, p := range s.peers {
		if p == nil || p.master != master {
			continue
		}
		if p.fail {
			failed = max(failed, p.failed)
		} else {
			working++
		}
	}
	return working, failed
}
