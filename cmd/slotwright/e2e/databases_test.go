//go:build e2e && engines

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec/slot"
)

// Valkey 9 has several databases in cluster mode, and what counts or lists the
// keys of a slot sees only the selected one. All sixteen hold keys of the same
// names: a grow and a shrink take each along to its own database, moved by the
// server or, where its login may not do that, one by one.
func TestKeysOfEveryDatabaseGoAlong(t *testing.T) {
	const databases, keys = 16, 50 // in each
	for name, config := range map[string]map[string]string{
		"in whole slots": {"cluster-databases": "16"},
		"key by key":     {"cluster-databases": "16", "user": "default on nopass ~* &* +@all -cluster|migrateslots"},
	} {
		t.Run(name, func(t *testing.T) {
			b := inDatabases(t, 5, config)
			three := b.write("three.yaml", shape{masters: 3, nodes: first(3)})
			four := b.write("four.yaml", shape{masters: 4, nodes: first(4)})
			b.apply(three)
			value := func(db int, key string) string { return fmt.Sprint(key, " in ", db) }
			for db := range databases {
				b.inDatabase(db, keys, func(c *redis.Conn, key string) error { return c.Set(t.Context(), key, value(db, key), 0).Err() })
			}
			for _, file := range []string{four, three} {
				b.apply(file)
				b.fleet.Check(t)
				for db := range databases {
					b.inDatabase(db, keys, func(c *redis.Conn, key string) error {
						got, err := c.Get(t.Context(), key).Result()
						if err == nil && got != value(db, key) {
							err = fmt.Errorf("it is %q", got)
						}
						return err
					})
				}
			}
			if n := b.fleet.Keys(t); n != databases*keys {
				t.Errorf("the masters hold %d keys, %d were written", n, databases*keys)
			}
		})
	}
}

// A server whose only key is in database 3 is not taken for a new one.
func TestAKeyInAnotherDatabaseIsAKey(t *testing.T) {
	b := inDatabases(t, 4, map[string]string{"cluster-databases": "16", "cluster-require-full-coverage": "no"})
	b.apply(b.write("three.yaml", shape{masters: 3, nodes: first(3)}))
	ctx := t.Context()
	c := b.fleet.Client(b.fleet.Servers[3]).Conn()
	b.do(3, "CLUSTER", "ADDSLOTS", slot.Of("here"))
	if err := c.Select(ctx, 3).Err(); err != nil {
		t.Fatal(err)
	}
	b.until("n3 serves a slot", func() bool { return c.Set(ctx, "here", "1", 0).Err() == nil })
	b.do(3, "CLUSTER", "DELSLOTS", slot.Of("here"))
	if n := c.DBSize(ctx).Val(); n != 1 {
		t.Fatalf("n3 holds %d keys in database 3", n)
	}
	o := b.must(3, "apply", b.write("four.yaml", shape{masters: 4, nodes: first(4)}), "--auto-approve", "--timeout", "3s")
	mentions(t, o.stdout+o.stderr, "NotEmpty", "n3", "1 key")
	if n := c.DBSize(ctx).Val(); n != 1 {
		t.Errorf("n3 holds %d keys in database 3 afterwards", n)
	}
	if n := len(b.members(3)); n != 1 {
		t.Errorf("n3 knows %d nodes", n)
	}
}

func inDatabases(t testing.TB, servers int, config map[string]string) *bench {
	t.Helper()
	opts := livetest.Options{Servers: servers, Config: config}
	for range servers {
		opts.Engines = append(opts.Engines, engine(t, "valkey-9.1"))
	}
	return newBench(t, opts)
}

// inDatabase does something with n keys, each at its owner, in a database.
func (b *bench) inDatabase(db, n int, do func(c *redis.Conn, key string) error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	owners, err := b.fleet.Client(b.fleet.Servers[0]).ClusterSlots(ctx).Result()
	if err != nil {
		b.t.Fatal(err)
	}
	conns := make([]*redis.Conn, slot.Count)
	for _, r := range owners {
		for _, s := range b.fleet.Servers {
			if s.Addr != r.Nodes[0].Addr {
				continue
			}
			c := b.fleet.Client(s).Conn()
			if err := c.Select(ctx, db).Err(); err != nil {
				b.t.Fatalf("%s: %v", s.Name, err)
			}
			for n := r.Start; n <= r.End; n++ {
				conns[n] = c
			}
		}
	}
	for i := range n {
		key := "key:" + strconv.Itoa(i)
		if err := do(conns[slot.Of(key)], key); err != nil {
			b.t.Fatalf("%s in database %d: %v", key, db, err)
		}
	}
}
