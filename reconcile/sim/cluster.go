package sim

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

// clusterCommands are the subcommands of CLUSTER, with the error texts of redis
// 7.0 (cluster.c, clusterCommand).
var clusterCommands = map[string]command{
	"ADDSLOTS":         {1, (*Session).addSlots},
	"ADDSLOTSRANGE":    {2, (*Session).addSlotsRange},
	"BUMPEPOCH":        {0, (*Session).bumpEpoch},
	"COUNTKEYSINSLOT":  {1, (*Session).countKeys},
	"DELSLOTS":         {1, (*Session).delSlots},
	"DELSLOTSRANGE":    {2, (*Session).delSlotsRange},
	"FAILOVER":         {0, (*Session).failoverCmd},
	"FORGET":           {1, (*Session).forgetCmd},
	"GETKEYSINSLOT":    {2, (*Session).getKeys},
	"INFO":             {0, func(c *Session, _ []string) (any, error) { return c.w.clusterInfo(c.s), nil }},
	"KEYSLOT":          {1, func(_ *Session, args []string) (any, error) { return int64(slot.Of(args[0])), nil }},
	"MEET":             {2, (*Session).meetCmd},
	"MYID":             {0, func(c *Session, _ []string) (any, error) { return c.w.ids[c.s.me], nil }},
	"NODES":            {0, func(c *Session, _ []string) (any, error) { return c.w.nodesText(c.s), nil }},
	"REPLICATE":        {1, (*Session).replicateCmd},
	"RESET":            {0, (*Session).reset},
	"SET-CONFIG-EPOCH": {1, (*Session).setConfigEpoch},
	"SETSLOT":          {2, (*Session).setSlot},
}

func (c *Session) meetCmd(args []string) (any, error) {
	port, err := strconv.Atoi(args[1])
	if err != nil {
		return nil, Error("ERR Invalid TCP base port specified: " + args[1])
	}
	if _, err := netip.ParseAddr(args[0]); err != nil || port < 1 || port > 65535 {
		return nil, Error(fmt.Sprintf("ERR Invalid node address specified: %s:%s", args[0], args[1]))
	}
	c.s.meet(args[0], port, c.w.now)
	return "OK", nil
}

// known is the ident of an ID that s knows.
func (c *Session) known(id string) (ident, bool) {
	i := c.w.find(id)
	return i, c.s.peer(i) != nil
}

func (c *Session) forgetCmd(args []string) (any, error) {
	id, ok := c.known(args[0])
	switch {
	case !ok:
		return nil, Error("ERR Unknown node " + args[0])
	case id == c.s.me:
		return nil, Error("ERR I tried hard but I can't forget myself...")
	case id == c.s.self().master:
		return nil, Error("ERR Can't forget my master!")
	}
	c.s.bans[id] = c.w.now + banTime
	c.s.forget(id)
	return "OK", nil
}

func (c *Session) replicateCmd(args []string) (any, error) {
	id, ok := c.known(args[0])
	switch {
	case !ok:
		return nil, Error("ERR Unknown node " + args[0])
	case id == c.s.me:
		return nil, Error("ERR Can't replicate myself")
	case c.s.peers[id].master != none:
		return nil, Error("ERR I can only replicate a master, not a replica.")
	case c.s.isMaster() && (!c.s.self().slots.Empty() || c.s.size() > 0):
		return nil, Error("ERR To set a master the node must be empty and without assigned slots.")
	}
	c.w.setMaster(c.s, id)
	return "OK", nil
}

// failoverCmd only schedules: OK says nothing of what will happen.
func (c *Session) failoverCmd(args []string) (any, error) {
	how := ""
	if len(args) > 0 {
		how = strings.ToUpper(args[0])
	}
	if len(args) > 1 || how != "" && how != "FORCE" && how != "TAKEOVER" {
		return nil, Error("ERR syntax error")
	}
	if c.s.isMaster() {
		return nil, Error("ERR You should send CLUSTER FAILOVER to a replica")
	}
	master := c.s.self().master
	m := c.s.peer(master)
	if m == nil {
		return nil, Error("ERR I'm a replica but my master is unknown to me")
	}
	if how == "" && (m.fail || c.w.now-m.heard > 1) {
		return nil, Error("ERR Master is down or failed, please use CLUSTER FAILOVER FORCE")
	}
	if how == "TAKEOVER" {
		c.s.bump()
		c.s.current = max(c.s.current, c.s.self().epoch)
		c.w.takeOver(c.s, master)
		return "OK", nil
	}
	c.s.failover = &failover{until: c.w.now + failoverTime, force: how == "FORCE"}
	return "OK", nil
}

func (c *Session) reset(args []string) (any, error) {
	hard := false
	if len(args) > 0 {
		switch strings.ToUpper(args[0]) {
		case "HARD":
			hard = true
		case "SOFT":
		default:
			return nil, Error("ERR syntax error")
		}
	}
	s := c.s
	if s.isMaster() && s.size() > 0 {
		return nil, Error("ERR CLUSTER RESET can't be called with master nodes containing keys")
	}
	me, host, epoch := s.me, s.self().host, s.self().epoch
	if !s.isMaster() { // a replica loses its copy
		s.keys, s.linked = map[int]bucket{}, false
		s.history = history{id: c.w.stream(), former: s.history.id}
	}
	s.forgetAll()
	if hard {
		me, epoch, s.current, s.vote = c.w.identity(), 0, 0, 0
	}
	s.me = me
	s.know(me, host, s.port).epoch = epoch
	s.failover, s.minority = nil, c.w.now
	return "OK", nil
}

func (c *Session) setConfigEpoch(args []string) (any, error) {
	epoch, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return nil, Error("ERR value is not an integer or out of range")
	}
	others := len(c.s.handshakes)
	for i, p := range c.s.peers {
		if p != nil && ident(i) != c.s.me {
			others++
		}
	}
	switch {
	case epoch < 0:
		return nil, Error("ERR Invalid config epoch specified: " + args[0])
	case others > 0:
		return nil, Error("ERR The user can assign a config epoch only when the node does not know any other node.")
	case c.s.self().epoch != 0:
		return nil, Error("ERR Node config epoch is already non-zero")
	}
	c.s.self().epoch = uint64(epoch)
	c.s.current = max(c.s.current, uint64(epoch))
	return "OK", nil
}

func (c *Session) bumpEpoch([]string) (any, error) {
	verb := "STILL"
	if c.s.bump() {
		verb = "BUMPED"
	}
	return fmt.Sprintf("%s %d", verb, c.s.self().epoch), nil
}

func (c *Session) countKeys(args []string) (any, error) {
	n, err := strconv.Atoi(args[0])
	if err != nil || n < 0 || n >= slot.Count {
		return nil, Error("ERR Invalid slot")
	}
	return int64(c.s.count(n)), nil
}

func (c *Session) getKeys(args []string) (any, error) {
	n, err := strconv.Atoi(args[0])
	most, err2 := strconv.Atoi(args[1])
	if err != nil || err2 != nil || n < 0 || n >= slot.Count || most < 0 {
		return nil, Error("ERR Invalid slot or number of keys")
	}
	keys := make([]string, 0, c.s.count(n))
	for k := range c.s.keys[n] {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	out := []any{}
	for _, k := range keys[:min(most, len(keys))] {
		out = append(out, k)
	}
	return out, nil
}
