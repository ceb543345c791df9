package sim

// Times in seconds. Real ones depend on cluster-node-timeout; here it is 3 s.
const (
	nodeTimeout   = 3
	banTime       = 60 // CLUSTER_BLACKLIST_TTL
	writableDelay = 2  // CLUSTER_WRITABLE_DELAY, for masters that just started
	rejoinDelay   = 2
	syncTime      = 2 // a full sync
	failoverTime  = 5 // CLUSTER_MF_TIMEOUT
	orphanTime    = 5 // CLUSTER_SLAVE_MIGRATION_DELAY
)

// Tick lets a second pass: handshakes go on, every node talks to every node it
// knows, failures are noticed, replicas sync and elect.
func (w *World) Tick() {
	w.mu.Lock()
	w.now++
	for _, s := range w.servers {
		if s.answers() {
			w.shakeHands(s)
		}
	}
	for _, s := range w.servers {
		if s.answers() {
			w.pingAll(s)
		}
	}
	for _, s := range w.servers {
		if s.answers() {
			w.noticeFailures(s)
			w.follow(s)
			w.helpOrphans(s)
		}
	}
	for _, s := range w.servers {
		if s.answers() {
			w.elect(s)
		}
	}
	for _, s := range w.servers {
		if s.answers() {
			w.updateState(s)
		}
	}
	w.mu.Unlock()
	if w.After != nil {
		w.After(w, "", nil)
	}
}

// Ticks lets n seconds pass.
func (w *World) Ticks(n int) {
	for range n {
		w.Tick()
	}
}

// shakeHands sends MEET to the addresses s was told. The receiver answers and
// begins a handshake of its own; bans do not count here, only for gossip.
func (w *World) shakeHands(s *server) {
	waiting := s.handshakes
	s.handshakes = nil
	for _, h := range waiting {
		to := w.reach(s, h.host, h.port)
		if to == nil {
			if w.now < h.until {
				s.handshakes = append(s.handshakes, h)
			}
			continue
		}
		if to == s {
			continue
		}
		to.self().host = to.host
		if p := to.peer(s.me); p == nil {
			to.meet(s.host, s.port, w.now)
		} else {
			p.host, p.port = s.host, s.port
		}
		if p := s.peer(to.me); p != nil {
			p.host, p.port = to.host, to.port
			continue
		}
		p := s.know(to.me, to.host, to.port)
		p.heard = w.now
	}
}

// meet begins a handshake unless one with that address is going on.
func (s *server) meet(host string, port, now int) {
	for _, h := range s.handshakes {
		if h.host == host && h.port == port {
			return
		}
	}
	s.handshakes = append(s.handshakes, handshake{host, port, now + nodeTimeout})
}

func (w *World) pingAll(s *server) {
	for id := range s.peers {
		p := s.peer(ident(id))
		if p == nil || ident(id) == s.me || p.host == "" {
			continue
		}
		to := w.reach(s, p.host, p.port)
		if to == nil {
			continue
		}
		if to.me != ident(id) { // another node lives there now
			p.host = ""
			continue
		}
		to.self().host = to.host
		w.hear(to, s)
		if s.answers() && s.peer(to.me) != nil {
			w.hear(s, to)
		}
	}
}

// hear is s reading a packet of another node: who it is, what it follows, which
// slots it claims and whom it knows. Packets of unknown senders are ignored.
func (w *World) hear(s, from *server) {
	p := s.peer(from.me)
	if p == nil {
		return
	}
	p.heard, p.pfail = w.now, false
	p.host, p.port = from.host, from.port
	s.unfail(p, w.now)
	s.current = max(s.current, from.current)
	w.hearRole(s, from, p)
	p.epoch = max(p.epoch, from.epochTold())
	if from.isMaster() {
		w.hearClaims(s, from, p)
		s.collide(w, from)
	}
	s.hearOthers(from, w.now)
}

// epochTold is the config epoch in the header of s: a replica tells its
// master's.
func (s *server) epochTold() uint64 {
	if m := s.peer(s.self().master); m != nil {
		return m.epoch
	}
	return s.self().epoch
}

func (w *World) hearRole(s, from *server, p *peer) {
	master := from.self().master
	if master == none {
		p.master = none
		return
	}
	if s.peer(master) == nil { // it follows somebody s has not heard of yet
		return
	}
	if p.master == none {
		for n := range p.slots.Each() {
			s.disown(n)
		}
	}
	p.master = master
}

// hearClaims compares the slots a master claims with what s believes.
func (w *World) hearClaims(s, from *server, p *peer) {
	claimed := from.self().slots
	if p.slots == claimed {
		return
	}
	w.update(s, from.me, from.self().epoch, claimed)
	// Slots it claims that s knows to be another's by a greater epoch: it is
	// told so (CLUSTERMSG_TYPE_UPDATE).
	for n := range claimed.Minus(p.slots).Each() {
		id := s.owner[n]
		if id == none || s.unclaimed.Has(n) {
			continue
		}
		if o := s.peers[id]; o.epoch > from.self().epoch && from.peer(id) != nil {
			w.hearUpdate(from, id, o.epoch, s)
			return
		}
	}
}

func (w *World) hearUpdate(s *server, about ident, epoch uint64, by *server) {
	p := s.peer(about)
	if about == s.me || p.epoch >= epoch {
		return
	}
	p.epoch, p.master = epoch, none
	w.update(s, about, epoch, by.peers[about].slots)
}

// collide ends equal config epochs of two masters: the one with the smaller ID
// takes a new one.
func (s *server) collide(w *World, from *server) {
	if !s.isMaster() || from.self().epoch != s.self().epoch || w.ids[from.me] <= w.ids[s.me] {
		return
	}
	s.current++
	s.self().epoch = s.current
}

// hearOthers reads the gossip section: nodes s does not know are met, unless
// they are banned; nodes it can't reach get the address at which the sender
// does reach them.
func (s *server) hearOthers(from *server, now int) {
	for i, told := range from.peers {
		id := ident(i)
		if told == nil || id == s.me || id == from.me || told.host == "" {
			continue
		}
		p := s.peer(id)
		if p == nil {
			if s.bans[id] <= now {
				s.meet(told.host, told.port, now)
			}
			continue
		}
		if (p.pfail || p.fail || p.host == "") && !told.pfail && !told.fail {
			p.host, p.port = told.host, told.port
		}
	}
}
