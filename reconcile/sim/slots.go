package sim

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

func (c *Session) addSlots(args []string) (any, error) {
	return c.changeSlots(pairs(args), true)
}

func (c *Session) delSlots(args []string) (any, error) {
	return c.changeSlots(pairs(args), false)
}

func (c *Session) addSlotsRange(args []string) (any, error) { return c.changeSlots(args, true) }

func (c *Session) delSlotsRange(args []string) (any, error) { return c.changeSlots(args, false) }

// pairs writes single slots as ranges.
func pairs(slots []string) []string {
	out := make([]string, 0, 2*len(slots))
	for _, n := range slots {
		out = append(out, n, n)
	}
	return out
}

// changeSlots claims or drops ranges, all or none. A claim is only checked
// against what s itself believes.
func (c *Session) changeSlots(args []string, add bool) (any, error) {
	if len(args)%2 != 0 {
		name := "cluster|delslotsrange"
		if add {
			name = "cluster|addslotsrange"
		}
		return nil, Error(fmt.Sprintf("ERR wrong number of arguments for '%s' command", name))
	}
	var slots slot.Set
	for i := 0; i < len(args); i += 2 {
		first, err := parseSlot(args[i])
		if err != nil {
			return nil, err
		}
		last, err := parseSlot(args[i+1])
		if err != nil {
			return nil, err
		}
		if first > last {
			return nil, Error(fmt.Sprintf("ERR start slot number %d is greater than end slot number %d", first, last))
		}
		for n := first; n <= last; n++ {
			if err := c.mayChange(n, add, &slots); err != nil {
				return nil, err
			}
			slots.Add(n)
		}
	}
	for n := range slots.Each() {
		if add {
			delete(c.s.importing, n)
			c.s.own(n, c.s.me)
		} else {
			c.s.disown(n)
		}
	}
	return "OK", nil
}

func (c *Session) mayChange(n int, add bool, before *slot.Set) error {
	switch {
	case add && c.s.owner[n] != none:
		return Error(fmt.Sprintf("ERR Slot %d is already busy", n))
	case !add && c.s.owner[n] == none:
		return Error(fmt.Sprintf("ERR Slot %d is already unassigned", n))
	case before.Has(n):
		return Error(fmt.Sprintf("ERR Slot %d specified multiple times", n))
	}
	return nil
}

func parseSlot(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n >= slot.Count {
		return 0, Error("ERR Invalid or out of range slot")
	}
	return n, nil
}

// setSlot is CLUSTER SETSLOT n IMPORTING|MIGRATING|NODE id and SETSLOT n STABLE.
func (c *Session) setSlot(args []string) (any, error) {
	if !c.s.isMaster() {
		return nil, Error("ERR Please use SETSLOT only with masters.")
	}
	n, err := parseSlot(args[0])
	if err != nil {
		return nil, err
	}
	action := strings.ToUpper(args[1])
	if action == "STABLE" && len(args) == 2 {
		delete(c.s.migrating, n)
		delete(c.s.importing, n)
		return "OK", nil
	}
	if len(args) == 3 {
		switch action {
		case "MIGRATING":
			return c.setMigrating(n, args[2])
		case "IMPORTING":
			return c.setImporting(n, args[2])
		case "NODE":
			return c.setNode(n, args[2])
		}
	}
	return nil, Error("ERR Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP")
}

func (c *Session) setMigrating(n int, to string) (any, error) {
	if c.s.owner[n] != c.s.me {
		return nil, Error(fmt.Sprintf("ERR I'm not the owner of hash slot %d", n))
	}
	id, err := c.otherMaster(to)
	if err == nil {
		c.s.migrating[n] = id
	}
	return okOr(err)
}

func (c *Session) setImporting(n int, from string) (any, error) {
	if c.s.owner[n] == c.s.me {
		return nil, Error(fmt.Sprintf("ERR I'm already the owner of hash slot %d", n))
	}
	id, err := c.otherMaster(from)
	if err == nil {
		c.s.importing[n] = id
	}
	return okOr(err)
}

func (c *Session) otherMaster(id string) (ident, error) {
	i, ok := c.known(id)
	if !ok {
		return none, Error("ERR I don't know about node " + id)
	}
	if c.s.peers[i].master != none {
		return none, Error("ERR Target node is not a master")
	}
	return i, nil
}

// setNode gives a slot to a node. Only where the slot is being imported does it
// take a new epoch, which makes the claim win everywhere.
func (c *Session) setNode(n int, to string) (any, error) {
	s := c.s
	id, ok := c.known(to)
	if !ok {
		return nil, Error("ERR Unknown node " + to)
	}
	if s.peers[id].master != none {
		return nil, Error("ERR Target node is not a master")
	}
	mine := s.owner[n] == s.me
	if mine && id != s.me && s.count(n) > 0 {
		return nil, Error(fmt.Sprintf("ERR Can't assign hashslot %d to a different node while I still hold keys for this hash slot.", n))
	}
	if s.count(n) == 0 {
		delete(s.migrating, n)
	}
	s.own(n, id)
	if mine && id != s.me && s.self().slots.Empty() && s.config[allowMigration] == "yes" {
		c.w.setMaster(s, id)
		return "OK", nil
	}
	if _, importing := s.importing[n]; importing && id == s.me {
		s.bump()
		delete(s.importing, n)
		if !c.w.SlowBus {
			c.w.broadcast(s)
		}
	}
	return "OK", nil
}

func okOr(err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return "OK", nil
}
