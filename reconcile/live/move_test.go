package live

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/plan"
	"github.com/slotwright/slotwright/spec/slot"
)

// tagged makes n keys of one slot.
func tagged(tag string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("{%s}%d", tag, i)
	}
	return out
}

// tagOf finds a hash tag of a slot.
func tagOf(s int) string {
	for i := 0; ; i++ {
		if tag := fmt.Sprint("t", i); slot.Of(tag) == s {
			return tag
		}
	}
}

// fill writes n keys in each of the slots and returns what it wrote.
func (w *world) fill(p *process, slots slot.Set, n int) map[string]string {
	w.t.Helper()
	want := map[string]string{}
	pipe := p.c.Pipeline()
	for s := range slots.Each() {
		for _, key := range tagged(tagOf(s), n) {
			want[key] = "value of " + key
			pipe.Set(context.Background(), key, want[key], 0)
		}
	}
	if _, err := pipe.Exec(context.Background()); err != nil {
		w.t.Fatal(err)
	}
	return want
}

// holds checks that a node owns the slots, serves every key and nothing is open.
func (w *world) holds(p *process, slots slot.Set, want map[string]string) {
	w.t.Helper()
	seen := w.look()
	if left := slots.Minus(seen.Node(p.name).Slots); !left.Empty() {
		w.t.Errorf("%s does not own %s", p.name, left)
	}
	if len(seen.Open) > 0 {
		w.t.Errorf("open slots are left: %v", seen.Open)
	}
	for key, value := range want {
		if got := w.do(p, "GET", key); got != value {
			w.t.Errorf("%s at %s: %v, not %q", key, p.name, got, value)
		}
	}
	for _, q := range w.nodes {
		for s := range slots.Each() {
			if n := w.do(q, "CLUSTER", "COUNTKEYSINSLOT", s); q != p && n != int64(0) {
				if _, dead := n.(error); !dead && seen.Node(q.name).Master == "" {
					w.t.Errorf("%s still holds %v keys of slot %d", q.name, n, s)
				}
			}
		}
	}
}

func ranged(first, last int) (s slot.Set) {
	s.AddRange(first, last)
	return s
}

func moves(from, to string, slots slot.Set) []plan.Step {
	return []plan.Step{{Kind: plan.Move, From: from, To: to, Slots: slots}}
}

func TestMovedSlotsTakeTheirKeysAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(0, 99)
	want := w.fill(w.nodes[0], slots, 7)
	want2 := w.fill(w.nodes[0], ranged(5, 5), 1300) // more than one listing of a slot
	if err := w.mover().move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, want)
	w.holds(w.nodes[2], ranged(5, 5), want2)
	w.until("the third master knows the new owner", func() bool {
		return w.look().Nodes[1].Slots.Len() == slot.Count/2 && strings.Contains(fmt.Sprint(w.do(w.nodes[1], "GET", tagged(tagOf(5), 1)[0])), w.nodes[2].addr)
	})
}

// leaveOver puts a key where no client finds it: at a node that does not own its
// slot.
func (w *world) leaveOver(owner, at *process, slot int, key string) {
	w.t.Helper()
	w.importing(slot, owner, at)
	c := at.c.Conn()
	defer c.Close()
	if err := errors.Join(c.Do(w.t.Context(), "ASKING").Err(), c.Set(w.t.Context(), key, "stale", 0).Err()); err != nil {
		w.t.Fatal(err)
	}
	w.must(at, "CLUSTER", "SETSLOT", slot, "STABLE")
}

// A key was left at the target once, where no client finds it. It must not come to
// life with the slot.
func TestALeftOverAtTheTargetKeepsASlotFromMoving(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	from, to := w.nodes[0], w.nodes[2]
	key := tagged(tagOf(5), 1)[0]
	w.leaveOver(from, to, 5, key)
	err := w.mover().move(t.Context(), moves("n0", "n2", ranged(5, 5)))
	if err == nil || !strings.Contains(err.Error(), "n2 holds 1 keys of slot 5") {
		t.Errorf("got %v", err)
	}
	seen := w.look()
	if !seen.Node("n0").Slots.Has(5) || len(seen.Open) > 0 || w.must(from, "EXISTS", key) != int64(0) {
		t.Errorf("the slot is n2's, or open: %v", seen.Open)
	}
}

func TestAWriterLosesNothingWhileSlotsMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(0, 200)
	w.fill(w.nodes[0], slots, 20)
	c := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{w.nodes[1].addr}, MaxRedirects: 16})
	defer c.Close()
	ctx, stop := context.WithCancel(context.Background())
	var writers sync.WaitGroup
	written := make([]map[string]int64, 4)
	for i := range written {
		written[i] = map[string]int64{}
		writers.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				key := fmt.Sprintf("{%s}c%d", tagOf(n%201), i)
				v, err := c.Incr(context.Background(), key).Result()
				if err != nil {
					t.Errorf("incr %s: %v", key, err)
					return
				}
				if written[i][key]++; written[i][key] != v {
					t.Errorf("%s is %d after %d increments", key, v, written[i][key])
					return
				}
			}
		})
	}
	err := w.mover().move(context.Background(), moves("n0", "n2", slots))
	stop()
	writers.Wait()
	if err != nil {
		t.Fatal(err)
	}
	for i := range written {
		for key, n := range written[i] {
			if got := w.do(w.nodes[2], "GET", key); got != fmt.Sprint(n) {
				t.Errorf("%s: %v, not %d", key, got, n)
			}
		}
	}
}

func TestKeysThatExpireOnTheWayAreNoTrouble(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(0, 50)
	pipe := w.nodes[0].c.Pipeline()
	for s := range slots.Each() {
		for i, key := range tagged(tagOf(s), 40) {
			pipe.Set(context.Background(), key, "x", time.Duration(1+i*5)*time.Millisecond)
		}
	}
	if _, err := pipe.Exec(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.must(w.nodes[0], "SET", "{"+tagOf(3)+"}stays", "here", "EX", 1000)
	if err := w.mover().move(context.Background(), moves("n0", "n2", slots)); err != nil {
		t.Fatal(err)
	}
	w.holds(w.nodes[2], slots, map[string]string{"{" + tagOf(3) + "}stays": "here"})
	if ttl := w.must(w.nodes[2], "TTL", "{"+tagOf(3)+"}stays").(int64); ttl < 900 || ttl > 1000 {
		t.Errorf("its time to live is %d s now", ttl)
	}
}

func TestAKeyThatIsAtBothEndsIsCompared(t *testing.T) {
	t.Parallel()
	type tc struct {
		name  string
		make  []any // at the source
		there []any // at the target
		fails bool
	}
	k := "{" + tagOf(0) + "}k"
	for _, c := range []tc{
		{"the same string", []any{"SET", k, "v"}, []any{"SET", k, "v"}, false},
		{"another string", []any{"SET", k, "v"}, []any{"SET", k, "w"}, true},
		{"another type", []any{"SET", k, "v"}, []any{"RPUSH", k, "v"}, true},
		{"a set in another order", append([]any{"SADD", k}, words(200, 1)...), append([]any{"SADD", k}, words(200, -1)...), false},
		{"a set with one more", append([]any{"SADD", k}, words(200, 1)...), append([]any{"SADD", k}, words(201, 1)...), true},
		{"a hash in another order", append([]any{"HSET", k}, words(400, 1)...), append([]any{"HSET", k}, words(400, 1)...), false},
		{"a list in another order", append([]any{"RPUSH", k}, words(10, 1)...), append([]any{"RPUSH", k}, words(10, -1)...), true},
		{"a stream", []any{"XADD", k, "1-1", "f", "v"}, []any{"XADD", k, "1-1", "f", "w"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, 2, 1)
			a, b := w.nodes[0], w.nodes[2]
			want := w.fill(a, ranged(0, 0), 5)
			w.must(a, c.make...)
			w.must(b, "CLUSTER", "SETSLOT", 0, "IMPORTING", w.id(a))
			pipe := b.c.Pipeline()
			pipe.Do(context.Background(), "ASKING")
			pipe.Do(context.Background(), c.there...)
			if _, err := pipe.Exec(context.Background()); err != nil {
				t.Fatal(err)
			}
			err := w.mover().move(context.Background(), moves("n0", "n2", ranged(0, 3)))
			if !c.fails {
				if err != nil {
					t.Fatal(err)
				}
				w.holds(b, ranged(0, 3), want)
				return
			}
			if err == nil || !strings.Contains(err.Error(), "slot 0: key") || !strings.Contains(err.Error(), k) {
				t.Fatalf("error %v does not name slot and key", err)
			}
			if !w.look().Nodes[0].Slots.Has(0) || w.do(a, "EXISTS", k) != int64(1) {
				t.Error("the slot or its key left the source all the same")
			}
			w.must(a, "DEL", k) // what the error asks for
			if err := w.closeAll("n0", "n2"); err != nil {
				t.Fatal(err)
			}
			w.holds(b, ranged(0, 0), want)
		})
	}
}

// words are n words, counted up or down.
func words(n, step int) []any {
	out := make([]any, n)
	for i := range out {
		out[i] = fmt.Sprintf("word-%d", (i*step+n)%n)
	}
	return out
}

func TestATargetWithoutMemoryStopsTheMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(0, 20)
	want := w.fill(w.nodes[0], slots, 20)
	w.must(w.nodes[2], "CONFIG", "SET", "maxmemory", "1mb")
	err := w.mover().move(context.Background(), moves("n0", "n2", slots))
	if err == nil || !strings.Contains(err.Error(), "n2") || !strings.Contains(err.Error(), "memory") {
		t.Fatalf("error %v does not say that n2 has no memory", err)
	}
	w.must(w.nodes[2], "CONFIG", "SET", "maxmemory", "0")
	w.finish("n0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}

func TestATargetThatWantsAnotherLoginStopsTheMove(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2, 1)
	slots := ranged(0, 20)
	want := w.fill(w.nodes[0], slots, 5)
	m := w.mover()
	m.login.Password = "not-the-one" // for MIGRATE only: our own connections are open
	w.must(w.nodes[2], "ACL", "SETUSER", "default", "resetpass", ">secret")
	m.dial = (&world{login: Login{}}).dial
	w.nodes[2].c.Do(context.Background(), "AUTH", "secret")
	real := m.dial
	m.dial = func(addr string) Conn {
		if addr == w.nodes[2].addr {
			return (&world{login: Login{Password: "secret"}}).dial(addr)
		}
		return real(addr)
	}
	err := m.move(context.Background(), moves("n0", "n2", slots))
	if err == nil || !strings.Contains(err.Error(), "n2 must accept the login") {
		t.Fatalf("error %v does not speak of the login", err)
	}
	if strings.Contains(err.Error(), "not-the-one") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v tells the password", err)
	}
	w.must(w.nodes[2], "ACL", "SETUSER", "default", "nopass")
	w.finish("n0", "n2", slots)
	w.holds(w.nodes[2], slots, want)
}
