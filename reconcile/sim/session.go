package sim

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Session is one connection of a client. It lives until it is closed or its
// server restarts.
type Session struct {
	w      *World
	s      *server
	life   int
	id     int64
	name   string
	asking bool       // the next command may touch a slot being imported
	queue  [][]string // what EXEC will run; nil outside a transaction
	watch  []string   // keys that EXEC wants as they are
	stale  bool       // one of them was written
	spoilt bool       // a command was refused before EXEC
	user   bool       // it has authenticated
	closed bool
}

// Open connects to a server, which need not be up.
func (w *World) Open(addr string) *Session {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open(w.at[addr])
}

func (w *World) open(s *server) *Session {
	w.clients++
	c := &Session{w: w, s: s, id: w.clients}
	if s != nil {
		c.life = s.life
		s.sessions = append(s.sessions, c)
	}
	return c
}

// Close ends the connection. It is safe to call twice.
func (c *Session) Close() {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	c.close()
}

func (c *Session) close() {
	c.closed = true
	if c.s == nil {
		return
	}
	for i, other := range c.s.sessions {
		if other == c {
			c.s.sessions = append(c.s.sessions[:i:i], c.s.sessions[i+1:]...)
			return
		}
	}
}

// Do answers one command on a connection of its own.
func (w *World) Do(addr string, args ...string) (any, error) {
	c := w.Open(addr)
	defer c.Close()
	return c.Do(args...)
}

// Do answers one command as RESP2 values: nil, int64, string or []any. A refusal
// is an Error; ErrDown and ErrSilent are no answer.
func (c *Session) Do(args ...string) (any, error) {
	v, err := c.alone(args)
	if c.w.After != nil {
		c.w.After(c.w, c.s.at(), args)
	}
	return v, err
}

// alone answers a command while nothing else happens in the world. A panic in it
// lets the world go, or who tidies up after it would wait for ever.
func (c *Session) alone(args []string) (any, error) {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.run(args)
}

func (s *server) at() string {
	if s == nil {
		return ""
	}
	return s.addr
}

// Lost says that the connection can't be used any more.
func (c *Session) Lost() bool {
	c.w.mu.Lock()
	defer c.w.mu.Unlock()
	return c.lost()
}

func (c *Session) lost() bool {
	return c.s == nil || c.closed || c.s.down || c.life != c.s.life
}

func (c *Session) run(args []string) (any, error) {
	if c.lost() {
		return nil, ErrDown
	}
	if c.s.paused || c.s.hidden {
		return nil, ErrSilent
	}
	if c.w.Fault != nil {
		if err := c.w.Fault(c.s.addr, args); err != nil {
			c.spoilt = c.queue != nil
			return nil, err
		}
	}
	v, err := c.dispatch(args)
	if strings.ToUpper(args[0]) != "ASKING" && c.queue == nil { // it holds for a whole transaction
		c.asking = false
	}
	if !c.s.down {
		c.w.updateState(c.s)
	}
	return v, err
}

// command answers one command; args are what follows its name.
type command struct {
	least int // arguments
	run   func(c *Session, args []string) (any, error)
}

func (c *Session) dispatch(args []string) (any, error) {
	name := strings.ToUpper(args[0])
	cmd, ok := commands[name]
	if !ok {
		return nil, Error(fmt.Sprintf("ERR unknown command '%s', with args beginning with: ", args[0]))
	}
	if !c.authenticated() && name != "AUTH" && name != "HELLO" {
		return nil, Error("NOAUTH Authentication required.")
	}
	if c.queue != nil && name != "MULTI" && name != "EXEC" {
		c.queue = append(c.queue, args)
		return "QUEUED", nil
	}
	return cmd.call(c, strings.ToLower(name), args[1:])
}

func (c *Session) multi([]string) (any, error) {
	if c.queue != nil {
		return nil, Error("ERR MULTI calls can not be nested")
	}
	c.queue = [][]string{}
	return "OK", nil
}

// watchCmd is WATCH: EXEC does nothing when a client wrote one of the keys since.
func (c *Session) watchCmd(args []string) (any, error) {
	if err := c.serve(args...); err != nil {
		return nil, err
	}
	c.watch = append(c.watch, args...)
	return "OK", nil
}

// touch spoils the transactions that watch a key.
func (s *server) touch(key string) {
	for _, c := range s.sessions {
		c.stale = c.stale || slices.Contains(c.watch, key)
	}
}

// exec runs what was queued. Nothing else runs meanwhile: the world is locked.
func (c *Session) exec([]string) (any, error) {
	if c.queue == nil {
		return nil, Error("ERR EXEC without MULTI")
	}
	queue, spoilt, stale := c.queue, c.spoilt, c.stale
	c.queue, c.spoilt, c.watch, c.stale = nil, false, nil, false
	if spoilt {
		return nil, Error("EXECABORT Transaction discarded because of previous errors.")
	}
	if stale {
		return nil, nil
	}
	out := []any{}
	for _, args := range queue {
		v, err := c.dispatch(args)
		if err != nil {
			v = err
		}
		out = append(out, v)
	}
	return out, nil
}

// eval knows the script that is ever sent: one that carries out commands, unless the
// server is another node than the first argument says, its time is past the second,
// in ms, or it has cast other than so many votes as the third says. "" stands for any
// of these two.
func (c *Session) eval(args []string) (any, error) {
	if len(args) < 5 || args[1] != "0" {
		return nil, Error("ERR the simulation does not know this script")
	}
	until, err := strconv.ParseInt(args[3], 10, 64)
	switch {
	case err != nil && args[3] != "":
		return nil, Error("ERR the second argument is no time")
	case args[2] != c.w.ids[c.s.me]:
		return nil, Error("STRANGER another node stands there now")
	case err == nil && int64(c.w.now)*1000 > until:
		return nil, Error("LATE it comes too late")
	case args[4] != "" && args[4] != strconv.FormatUint(c.s.cast, 10):
		return nil, Error("VOTED it has voted meanwhile")
	}
	out := []any{}
	for _, command := range args[5:] {
		v, err := c.dispatch(strings.Fields(command))
		if err != nil {
			v = err
		}
		out = append(out, v)
	}
	return out, nil
}

// evalRO knows the two reading scripts that are ever sent: the keys of a slot with
// what they weigh; and how many keys ranges of slots hold, and how many there are in
// all.
func (c *Session) evalRO(args []string) (any, error) {
	if strings.Contains(args[0], "GETKEYSINSLOT") {
		return c.weighing(args[2:])
	}
	sum := int64(0)
	for pair := range slices.Chunk(args[2:], 2) {
		for n := atoi(pair[0]); n <= atoi(pair[1]); n++ {
			sum += int64(c.s.count(n))
		}
	}
	return []any{sum, int64(c.s.size())}, nil
}

func (c *Session) weighing(args []string) (any, error) {
	v, err := c.dispatch(append([]string{"CLUSTER", "GETKEYSINSLOT"}, args...))
	if err != nil {
		return nil, err
	}
	keys, sizes := v.([]any), []any{}
	for _, key := range keys {
		size, err := c.dispatch([]string{"MEMORY", "USAGE", key.(string)})
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, size)
	}
	return []any{keys, sizes}, nil
}

// time is TIME: seconds and microseconds.
func (c *Session) time([]string) (any, error) { return []any{strconv.Itoa(c.w.now), "0"}, nil }

func (cmd command) call(c *Session, name string, args []string) (any, error) {
	if len(args) < cmd.least {
		return nil, Error(fmt.Sprintf("ERR wrong number of arguments for '%s' command", name))
	}
	return cmd.run(c, args)
}

func (c *Session) authenticated() bool {
	return c.user || c.s.config["requirepass"] == ""
}

// commands are those slotwright and its tests send. They are filled in at start
// because CLUSTER and others look into tables of their own.
var commands map[string]command

func init() {
	commands = map[string]command{
		"ASKING":   {0, (*Session).askingCmd},
		"AUTH":     {1, (*Session).auth},
		"CLIENT":   {1, sub("client", clientCommands)},
		"CLUSTER":  {1, sub("cluster", clusterCommands)},
		"CONFIG":   {1, sub("config", configCommands)},
		"DBSIZE":   {0, (*Session).dbsize},
		"DEL":      {1, (*Session).del},
		"DUMP":     {1, (*Session).dump},
		"EVAL":     {2, (*Session).eval},
		"EVAL_RO":  {2, (*Session).evalRO},
		"EXEC":     {0, (*Session).exec},
		"EXISTS":   {1, (*Session).exists},
		"FUNCTION": {1, sub("function", functionCommands)},
		"GET":      {1, (*Session).getCmd},
		"HELLO":    {0, (*Session).hello},
		"INFO":     {0, (*Session).info},
		"MEMORY":   {1, sub("memory", memoryCommands)},
		"MIGRATE":  {5, (*Session).migrate},
		"MULTI":    {0, (*Session).multi},
		"PING":     {0, func(*Session, []string) (any, error) { return "PONG", nil }},
		"PTTL":     {1, (*Session).pttl},
		"SELECT":   {1, (*Session).selectDB},
		"SET":      {2, (*Session).setCmd},
		"SHUTDOWN": {0, (*Session).shutdown},
		"TIME":     {0, (*Session).time},
		"TYPE":     {1, (*Session).typeCmd},
		"WAIT":     {2, (*Session).wait},
		"WATCH":    {1, (*Session).watchCmd},
	}
}

// sub is a command whose first argument chooses what it does.
func sub(parent string, table map[string]command) func(*Session, []string) (any, error) {
	return func(c *Session, args []string) (any, error) {
		cmd, ok := table[strings.ToUpper(args[0])]
		if !ok {
			return nil, Error(fmt.Sprintf("ERR unknown subcommand '%s'. Try %s HELP.", args[0], strings.ToUpper(parent)))
		}
		return cmd.call(c, parent+"|"+strings.ToLower(args[0]), args[1:])
	}
}
