package sim

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Directives that change what the world does.
const (
	allowMigration   = "cluster-allow-replica-migration"
	migrationBarrier = "cluster-migration-barrier"
)

func defaults() map[string]string {
	return map[string]string{
		allowMigration:                  "yes",
		migrationBarrier:                "1",
		"appendonly":                    "no",
		"cluster-node-timeout":          strconv.Itoa(nodeTimeout * 1000),
		"cluster-require-full-coverage": "yes",
		"masterauth":                    "",
		"masteruser":                    "",
		"maxclients":                    "10000",
		"maxmemory":                     "0",
		"maxmemory-policy":              "noeviction",
		"requirepass":                   "",
		"save":                          "",
	}
}

var configCommands = map[string]command{
	"GET": {1, (*Session).configGet},
	"SET": {2, (*Session).configSet},
	"REWRITE": {0, func(*Session, []string) (any, error) {
		return nil, Error("ERR The server is running without a config file")
	}},
}

func (c *Session) configGet(args []string) (any, error) {
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.s.config)) {
		for _, pattern := range args {
			if ok, _ := path.Match(strings.ToLower(pattern), name); ok {
				out = append(out, name, c.s.config[name])
				break
			}
		}
	}
	return out, nil
}

func (c *Session) configSet(args []string) (any, error) {
	if len(args)%2 != 0 {
		return nil, Error("ERR wrong number of arguments for 'config|set' command")
	}
	for i := 0; i < len(args); i += 2 {
		if _, ok := c.s.config[strings.ToLower(args[i])]; !ok {
			return nil, Error(fmt.Sprintf("ERR Unknown option or number of arguments for CONFIG SET - '%s'", args[i]))
		}
	}
	for i := 0; i < len(args); i += 2 {
		c.s.config[strings.ToLower(args[i])] = args[i+1]
	}
	return "OK", nil
}

var clientCommands = map[string]command{
	"GETNAME": {0, func(c *Session, _ []string) (any, error) { return c.name, nil }},
	"ID":      {0, func(c *Session, _ []string) (any, error) { return c.id, nil }},
	"LIST":    {0, (*Session).clientList},
	"SETINFO": {2, func(*Session, []string) (any, error) { return "OK", nil }},
	"SETNAME": {1, func(c *Session, args []string) (any, error) { c.name = args[0]; return "OK", nil }},
}

func (c *Session) clientList([]string) (any, error) {
	var b strings.Builder
	for _, other := range c.s.sessions {
		fmt.Fprintf(&b, "id=%d addr=127.0.0.1:%d laddr=%s name=%s db=0 user=default\n",
			other.id, 40000+other.id, c.s.addr, other.name)
	}
	return b.String(), nil
}

// Functions are per node and do not move with slots.
var functionCommands = map[string]command{
	"DUMP":    {0, func(c *Session, _ []string) (any, error) { return functionDump(c.s.functions), nil }},
	"LIST":    {0, (*Session).functionList},
	"LOAD":    {1, (*Session).functionLoad},
	"RESTORE": {1, (*Session).functionRestore},
}

func (c *Session) functionList([]string) (any, error) {
	out := []any{}
	for _, name := range slices.Sorted(maps.Keys(c.s.functions)) {
		out = append(out, []any{"library_name", name, "engine", "LUA", "functions", []any{}})
	}
	return out, nil
}

func functionDump(functions map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		fmt.Fprintf(&b, "%s\x00%s\x01", name, functions[name])
	}
	return b.String()
}

func (c *Session) functionLoad(args []string) (any, error) {
	code := args[len(args)-1]
	header, _, _ := strings.Cut(code, "\n")
	_, name, ok := strings.Cut(header, "name=")
	if !ok {
		return nil, Error("ERR Missing library metadata")
	}
	return name, c.addFunctions(map[string]string{name: code}, strings.EqualFold(args[0], "REPLACE"))
}

func (c *Session) functionRestore(args []string) (any, error) {
	added := map[string]string{}
	for part := range strings.SplitSeq(args[0], "\x01") {
		if name, code, ok := strings.Cut(part, "\x00"); ok {
			added[name] = code
		}
	}
	how := "APPEND"
	if len(args) > 1 {
		how = strings.ToUpper(args[1])
	}
	if how == "FLUSH" {
		clear(c.s.functions)
	}
	return okOr(c.addFunctions(added, how != "APPEND"))
}

func (c *Session) addFunctions(added map[string]string, replace bool) error {
	for name := range added {
		if _, ok := c.s.functions[name]; ok && !replace {
			return Error(fmt.Sprintf("ERR Library '%s' already exists", name))
		}
	}
	c.w.replicate(c.s, func(to *server) { maps.Copy(to.functions, added) })
	return nil
}

func (c *Session) askingCmd([]string) (any, error) {
	c.asking = true
	return "OK", nil
}

func (c *Session) auth(args []string) (any, error) {
	want, got := c.s.config["requirepass"], args[len(args)-1]
	if want == "" && len(args) == 1 {
		return nil, Error("ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?")
	}
	if got != want && want != "" {
		return nil, Error("WRONGPASS invalid username-password pair or user is disabled.")
	}
	c.user = true
	return "OK", nil
}

func (c *Session) hello(args []string) (any, error) {
	if len(args) > 0 && args[0] != "2" {
		return nil, Error("NOPROTO unsupported protocol version")
	}
	return []any{"server", c.s.opts.Name, "version", c.s.opts.Version, "proto", int64(2), "id", c.id, "mode", "cluster"}, nil
}

func (c *Session) selectDB(args []string) (any, error) {
	if args[0] != "0" {
		return nil, Error("ERR SELECT is not allowed in cluster mode")
	}
	return "OK", nil
}

func (c *Session) shutdown([]string) (any, error) {
	c.s.down = true
	return nil, ErrDown
}

// wait counts the replicas in sync, at once.
func (c *Session) wait([]string) (any, error) {
	n := int64(0)
	c.w.replicate(c.s, func(*server) { n++ })
	return n - 1, nil
}

// info is INFO, always with every section.
func (c *Session) info([]string) (any, error) {
	s := c.s
	var b strings.Builder
	fmt.Fprintf(&b, "# Server\r\nredis_version:%s\r\n", s.redisVersion())
	if s.opts.Name == "valkey" {
		fmt.Fprintf(&b, "server_name:valkey\r\nvalkey_version:%s\r\n", s.opts.Version)
	}
	used := 1 << 20
	for _, bucket := range s.keys {
		for k, v := range bucket {
			used += len(k) + len(v) + 56
		}
	}
	fmt.Fprintf(&b, "# Memory\r\nused_memory:%d\r\nused_memory_dataset:%d\r\ntotal_system_memory:%d\r\nmaxmemory:%s\r\nmaxmemory_policy:%s\r\n",
		used, used-1<<20, int64(8)<<30, s.config["maxmemory"], s.config["maxmemory-policy"])
	b.WriteString("# Persistence\r\nloading:0\r\nasync_loading:0\r\n# Replication\r\n")
	if s.isMaster() {
		b.WriteString("role:master\r\nmaster_repl_offset:0\r\n")
	} else {
		link := "down"
		if s.linked {
			link = "up"
		}
		fmt.Fprintf(&b, "role:slave\r\nmaster_link_status:%s\r\nmaster_sync_in_progress:0\r\nslave_repl_offset:0\r\nmaster_repl_offset:0\r\n", link)
	}
	fmt.Fprintf(&b, "master_replid:%040x\r\nmaster_replid2:%040x\r\nsecond_repl_offset:1\r\n", s.history.id, s.history.former)
	b.WriteString("# Cluster\r\ncluster_enabled:1\r\n# Keyspace\r\n")
	if n := s.size(); n > 0 {
		fmt.Fprintf(&b, "db0:keys=%d,expires=0,avg_ttl=0\r\n", n)
	}
	return b.String(), nil
}

// redisVersion is what Valkey says too, for clients that look for it.
func (s *server) redisVersion() string {
	if s.opts.Name == "valkey" {
		return "7.2.4"
	}
	return s.opts.Version
}

func atoi(text string) int {
	n, _ := strconv.Atoi(text)
	return n
}
