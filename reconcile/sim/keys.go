package sim

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/spec/slot"
)

// redirect is getNodeByQuery: nil when s serves the slot to this client.
// missing says that s has not all of the command's keys.
func (s *server) redirect(n int, asking, missing, multi bool) error {
	id := s.owner[n]
	if id == none {
		return Error("CLUSTERDOWN Hash slot not served")
	}
	if to, open := s.migrating[n]; open && id == s.me {
		if missing {
			return s.send("ASK", n, to)
		}
		return nil
	}
	if _, open := s.importing[n]; open && asking {
		if multi && missing {
			return Error("TRYAGAIN Multiple keys request during rehashing of slot")
		}
		return nil
	}
	if id != s.me {
		return s.send("MOVED", n, id)
	}
	return nil
}

func (s *server) send(verb string, n int, to ident) error {
	p := s.peers[to]
	return Error(fmt.Sprintf("%s %d %s:%d", verb, n, p.host, p.port))
}

// serve says whether s runs a command with these keys for this client.
func (c *Session) serve(keys ...string) error {
	n, err := sameSlot(keys)
	if err != nil {
		return err
	}
	missing := false
	for _, k := range keys {
		_, ok := c.s.get(k)
		missing = missing || !ok
	}
	if c.s.owner[n] != none && !c.s.ok {
		return Error("CLUSTERDOWN The cluster is down")
	}
	return c.s.redirect(n, c.asking, missing, len(keys) > 1)
}

func sameSlot(keys []string) (int, error) {
	n := slot.Of(keys[0])
	for _, k := range keys[1:] {
		if slot.Of(k) != n {
			return 0, Error("CROSSSLOT Keys in request don't hash to the same slot")
		}
	}
	return n, nil
}

func (c *Session) getCmd(args []string) (any, error) {
	if err := c.serve(args[0]); err != nil {
		return nil, err
	}
	if v, ok := c.s.get(args[0]); ok {
		return v, nil
	}
	return nil, nil
}

func (c *Session) setCmd(args []string) (any, error) {
	if len(args) > 2 {
		return nil, Error("ERR syntax error")
	}
	if err := c.serve(args[0]); err != nil {
		return nil, err
	}
	c.w.set(c.s, args[0], args[1])
	return "OK", nil
}

func (c *Session) del(args []string) (any, error) {
	if err := c.serve(args...); err != nil {
		return nil, err
	}
	gone := int64(0)
	for _, k := range args {
		if _, ok := c.s.get(k); ok {
			c.w.remove(c.s, k)
			gone++
		}
	}
	return gone, nil
}

func (c *Session) exists(args []string) (any, error) {
	if err := c.serve(args...); err != nil {
		return nil, err
	}
	found := int64(0)
	for _, k := range args {
		if _, ok := c.s.get(k); ok {
			found++
		}
	}
	return found, nil
}

func (c *Session) dump(args []string) (any, error) {
	v, err := c.getCmd(args[:1])
	if v == nil || err != nil {
		return nil, err
	}
	return "\x00" + v.(string) + "\n\x00", nil // the type, the value, the version
}

func (c *Session) typeCmd(args []string) (any, error) {
	v, err := c.getCmd(args[:1])
	if err != nil {
		return nil, err
	}
	if v == nil {
		return "none", nil
	}
	return "string", nil
}

func (c *Session) pttl(args []string) (any, error) {
	v, err := c.getCmd(args[:1])
	if err != nil {
		return nil, err
	}
	if v == nil {
		return int64(-2), nil
	}
	return int64(-1), nil
}

func (c *Session) dbsize([]string) (any, error) { return int64(c.s.size()), nil }

var memoryCommands = map[string]command{
	"USAGE": {1, func(c *Session, args []string) (any, error) {
		v, err := c.getCmd(args[:1])
		if v == nil || err != nil {
			return nil, err
		}
		return int64(len(args[0]) + len(v.(string)) + 56), nil
	}},
}

// migrate is MIGRATE host port key|"" db timeout [COPY] [REPLACE] [AUTH pass |
// AUTH2 user pass] [KEYS key...]. The keys the target took before it refused one
// are deleted here, as on the real server.
func (c *Session) migrate(args []string) (any, error) {
	m, err := parseMigrate(args)
	if err != nil {
		return nil, err
	}
	n, err := sameSlot(m.keys)
	if err != nil {
		return nil, err
	}
	if err := c.serveMigrate(n); err != nil {
		return nil, err
	}
	var present []string
	for _, k := range m.keys {
		if _, ok := c.s.get(k); ok {
			present = append(present, k)
		}
	}
	if len(present) == 0 {
		return "NOKEY", nil
	}
	to := c.w.reach(c.s, m.host, m.port)
	if to == nil {
		return nil, Error("IOERR error or timeout connecting to the client")
	}
	for _, k := range present {
		v, _ := c.s.get(k)
		if err := c.restore(to, m, k, v); err != nil {
			return nil, Error("ERR Target instance replied with error: " + err.Error())
		}
		if !m.copy {
			c.w.remove(c.s, k)
		}
	}
	return "OK", nil
}

type migration struct {
	host          string
	port          int
	keys          []string
	copy, replace bool
	password      string
}

func parseMigrate(args []string) (migration, error) {
	m := migration{host: args[0], keys: args[2:3]}
	var err error
	if m.port, err = strconv.Atoi(args[1]); err != nil {
		return m, Error("ERR value is not an integer or out of range")
	}
	if args[3] != "0" { // the real one copies the keys and then says so
		return m, Error("ERR Target instance replied with error: ERR SELECT is not allowed in cluster mode")
	}
	for i := 5; i < len(args); i++ {
		left := len(args) - i - 1
		switch option := strings.ToUpper(args[i]); {
		case option == "COPY":
			m.copy = true
		case option == "REPLACE":
			m.replace = true
		case option == "AUTH" && left >= 1:
			m.password = args[i+1]
			i++
		case option == "AUTH2" && left >= 2:
			m.password = args[i+2]
			i += 2
		case option == "KEYS" && left >= 1:
			if args[2] != "" {
				return m, Error("ERR When using MIGRATE KEYS option, the key argument must be set to the empty string")
			}
			m.keys = args[i+1:]
			return m, nil
		default:
			return m, Error("ERR syntax error")
		}
	}
	return m, nil
}

// serveMigrate lets MIGRATE pass at both ends of an open slot.
func (c *Session) serveMigrate(n int) error {
	if c.s.owner[n] != none && !c.s.ok {
		return Error("CLUSTERDOWN The cluster is down")
	}
	_, migrating := c.s.migrating[n]
	_, importing := c.s.importing[n]
	if c.s.owner[n] != none && (importing || migrating && c.s.owner[n] == c.s.me) {
		return nil
	}
	return c.s.redirect(n, false, false, false)
}

// restore is the RESTORE-ASKING that the target gets.
func (c *Session) restore(to *server, m migration, key, value string) error {
	if c.w.Fault != nil {
		if err := c.w.Fault(to.addr, []string{"RESTORE-ASKING", key}); err != nil {
			return err
		}
	}
	if want := to.config["requirepass"]; want != m.password {
		if m.password != "" {
			return Error("WRONGPASS invalid username-password pair or user is disabled.")
		}
		return Error("NOAUTH Authentication required.")
	}
	n := slot.Of(key)
	if to.owner[n] != none && !to.ok {
		return Error("CLUSTERDOWN The cluster is down")
	}
	if err := to.redirect(n, true, false, false); err != nil {
		return err
	}
	if _, busy := to.get(key); busy && !m.replace {
		return Error("BUSYKEY Target key name already exists.")
	}
	c.w.set(to, key, value)
	return nil
}

func cloneKeys(keys map[int]bucket) map[int]bucket       { return maps.Clone(keys) }
func cloneText(text map[string]string) map[string]string { return maps.Clone(text) }
