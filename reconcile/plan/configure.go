package plan

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// configure sets the directives that differ live, on all nodes at once, and
// before slots move: it may be what gives them room.
func (d *draft) configure() []Step {
	var out []Step
	for i := range d.now.Nodes {
		live, _ := d.differing(i)
		if len(live) > 0 {
			out = append(out, Step{Kind: Configure, Node: d.name(i), Config: live, Reason: "its live value differs"})
		}
	}
	return out
}

// differing are the directives of node i that are not as wanted: those that
// CONFIG SET takes, and those that need a restart.
func (d *draft) differing(i int) (live, restart map[string]string) {
	n := d.node(i)
	if !n.Listed || !d.up(i) || !n.Member {
		return nil, nil
	}
	for _, key := range slices.Sorted(maps.Keys(d.want.Config)) {
		has, told := n.Config[key]
		if !told || sameValue(d.want.Config[key], has) {
			continue
		}
		into := &live
		if needsRestart[key] {
			into = &restart
		}
		if *into == nil {
			*into = map[string]string{}
		}
		(*into)[key] = d.want.Config[key]
	}
	return live, restart
}

// putBack returns the switch that an earlier run borrowed, once nothing else
// is left to do.
func (d *draft) putBack() []Step {
	var out []Step
	for i := range d.now.Nodes {
		if n := d.node(i); n.Borrowed && d.up(i) && n.Member {
			out = append(out, Step{
				Kind: Configure, Node: n.Name, Config: map[string]string{replicaMigration: "yes"},
				Reason: "an earlier run switched it off for its own work",
			})
		}
	}
	return out
}

const replicaMigration = "cluster-allow-replica-migration"

func (s *Step) configured(now *cluster.State) {
	n := find(now, s.Node)
	if n == nil {
		return
	}
	config := maps.Clone(n.Config)
	if config == nil {
		config = map[string]string{}
	}
	maps.Copy(config, s.Config)
	n.Config = config
	if _, ok := s.Config[replicaMigration]; ok {
		n.Borrowed = false
	}
	if max, ok := bytesOf(s.Config["maxmemory"]); ok {
		n.Memory.Max = max
	}
	if policy, ok := s.Config["maxmemory-policy"]; ok {
		n.Memory.Policy = policy
	}
}

// needsRestart are the directives that redis-server marks IMMUTABLE_CONFIG
// (src/config.c, Redis 7.0 to 8.0 and Valkey 8 to 9), as far as a topology may
// name them.
var needsRestart = map[string]bool{
	"always-show-logo": true, "appenddirname": true,
	"appendfilename": true, "cluster-port": true, "databases": true, "cluster-databases": true, "disable-thp": true,
	"io-threads": true, "io-threads-do-reads": true, "syslog-enabled": true, "syslog-ident": true, "syslog-facility": true,
	"tcp-backlog": true, "unixsocket": true, "unixsocketperm": true, "supervised": true, "set-proc-title": true,
	"rdbchecksum": true, "server_cpulist": true, "bio_cpulist": true, "aof_rewrite_cpulist": true, "bgsave_cpulist": true,
	"enable-protected-configs": true, "enable-debug-command": true, "enable-module-command": true,
}

// sameValue compares a directive as written with what CONFIG GET prints:
// sizes in bytes, lists with single blanks, words without regard to case.
func sameValue(want, has string) bool {
	if a, ok := bytesOf(want); ok {
		if b, ok := bytesOf(has); ok {
			return a == b
		}
	}
	return strings.EqualFold(strings.Join(strings.Fields(want), " "), strings.Join(strings.Fields(has), " "))
}

// units are those of redis.conf: k is 1000, kb is 1024.
var units = []struct {
	suffix string
	bytes  int64
}{{"kb", 1 << 10}, {"mb", 1 << 20}, {"gb", 1 << 30}, {"k", 1e3}, {"m", 1e6}, {"g", 1e9}, {"b", 1}, {"", 1}}

// bytesOf reads a size the way redis.conf does ("2gb", "100m", "0").
func bytesOf(text string) (int64, bool) {
	text = strings.ToLower(strings.TrimSpace(text))
	for _, u := range units {
		number, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		if n, err := strconv.ParseInt(number, 10, 64); err == nil {
			return n * u.bytes, true
		}
	}
	return 0, false
}

// needRestart reports whether node i waits for a restart.
func (d *draft) needRestart(i int) bool {
	_, restart := d.differing(i)
	return len(restart) > 0
}

// restart is the last thing before what is borrowed goes back. See restart.go
// for masters.
func (d *draft) restart() []Step { return nil }
