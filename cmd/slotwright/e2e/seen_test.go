//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// member is a line of CLUSTER NODES, read by these tests alone.
type member struct {
	id, name string // name in the fleet; the address of a node outside it
	master   string // its ID; "" for masters
	flags    string
	slots    int
	epoch    string
	line     string // but for times, the state of links and of health
}

// members are the nodes that server i knows, by name.
func (b *bench) members(i int) map[string]member {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := b.fleet.Client(b.fleet.Servers[i])
	defer c.Close()
	text, err := c.ClusterNodes(ctx).Result()
	if err != nil {
		b.t.Fatalf("%s: %v", b.fleet.Servers[i].Name, err)
	}
	out := map[string]member{}
	for line := range strings.Lines(text) {
		m := b.member(strings.Fields(line))
		out[m.name] = m
	}
	return out
}

func (b *bench) member(fields []string) member {
	b.t.Helper()
	if len(fields) < 8 {
		b.t.Fatalf("a line of CLUSTER NODES has %d fields: %v", len(fields), fields)
	}
	addr, _, _ := strings.Cut(fields[1], "@")
	m := member{id: fields[0], name: addr, flags: fields[2], master: strings.Trim(fields[3], "-"), epoch: fields[6]}
	for _, s := range b.fleet.Servers {
		if s.Addr == addr {
			m.name = s.Name
		}
	}
	for _, r := range fields[8:] {
		m.slots += width(r)
	}
	m.flags = strings.TrimPrefix(m.flags, "myself,")
	role, _, _ := strings.Cut(m.flags, ",") // without fail, which comes and goes by itself
	m.line = fmt.Sprint(m.id, addr, role, m.master, m.epoch, fields[8:])
	return m
}

// width is the number of slots of "7", "3-9" or the mark of an open slot.
func width(text string) int {
	if strings.HasPrefix(text, "[") {
		return 0
	}
	from, to, ok := strings.Cut(text, "-")
	if !ok {
		return 1
	}
	first, errFirst := strconv.Atoi(from)
	last, errLast := strconv.Atoi(to)
	if errFirst != nil || errLast != nil {
		panic("slots " + text)
	}
	return last - first + 1
}

// followed tells of every replica that server i knows whom it follows, by name.
func (b *bench) followed(i int) map[string]string {
	b.t.Helper()
	all := b.members(i)
	byID := map[string]string{}
	for _, m := range all {
		byID[m.id] = m.name
	}
	out := map[string]string{}
	for _, m := range all {
		if m.master != "" {
			out[m.name] = byID[m.master]
		}
	}
	return out
}

// masters are the nodes with slots that server i knows, sorted by name.
func (b *bench) masters(i int) []string {
	b.t.Helper()
	var out []string
	for _, m := range b.members(i) {
		if m.slots > 0 {
			out = append(out, m.name)
		}
	}
	slices.Sort(out)
	return out
}

// picture is all that must be the same after a run that did nothing: the faces
// of the given servers, and how many keys they hold.
func (b *bench) picture(servers []int) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	all := []string{b.faces(servers)}
	for _, i := range servers {
		s := b.fleet.Servers[i]
		keys, err := b.fleet.Client(s).DBSize(ctx).Result()
		if err != nil {
			b.t.Fatalf("%s: %v", s.Name, err)
		}
		all = append(all, fmt.Sprint(s.Name, " holds ", keys, " keys"))
	}
	return strings.Join(all, "\n")
}

// faces are what the given servers say of the cluster, and their directives.
func (b *bench) faces(servers []int) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var all []string
	for _, i := range servers {
		s := b.fleet.Servers[i]
		for _, m := range b.members(i) {
			all = append(all, s.Name+" knows "+m.line)
		}
		c := b.fleet.Client(s)
		for _, directive := range []string{"cluster-allow-replica-migration", "cluster-migration-barrier", "maxmemory", "requirepass"} {
			value, err := c.ConfigGet(ctx, directive).Result()
			if err != nil {
				b.t.Fatalf("%s: %v", s.Name, err)
			}
			all = append(all, fmt.Sprint(s.Name, " has ", value))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// untouched runs something and demands that it changed nothing on the servers.
func (b *bench) untouched(servers []int, run func()) {
	b.t.Helper()
	before := b.picture(servers)
	run()
	if after := b.picture(servers); after != before {
		b.t.Errorf("the servers changed\n--- before\n%s\n--- after\n%s", before, after)
	}
}

// on is the same bench for a subtest.
func (b *bench) on(t testing.TB) *bench {
	c := *b
	c.t = t
	return &c
}

// until waits for something to become so, for at most half a minute.
func (b *bench) until(what string, so func() bool) {
	b.t.Helper()
	if !livetest.Eventually(30*time.Second, so) {
		b.t.Fatalf("after half a minute still not: %s", what)
	}
}

// mentions demands that a text has every one of words.
func mentions(t testing.TB, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("no %q in %s", w, text)
		}
	}
}

// createdByCLI makes one cluster of all servers with redis-cli and waits until
// every server knows every replica as one, and every replica has its data.
func (b *bench) createdByCLI(replicas int) {
	b.t.Helper()
	b.fleet.Create(b.t, replicas)
	all := len(b.fleet.Servers)
	b.until("every server knows every replica, and all have their data", func() bool {
		for i := range all {
			if len(b.followed(i)) != all-all/(replicas+1) || b.info(i, "replication", "role") == "slave" && !b.linked(i) {
				return false
			}
		}
		return true
	})
}

// linked says that server i is a replica whose link to its master is up.
func (b *bench) linked(i int) bool {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	info, err := b.fleet.Client(b.fleet.Servers[i]).Info(ctx, "replication").Result()
	return err == nil && strings.Contains(info, "master_link_status:up")
}
