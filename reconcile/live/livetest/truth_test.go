package livetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slotwright/slotwright/spec/slot"
)

// shards is a fleet of three masters with a replica each under clients, and who
// is who.
type shards struct {
	*Fleet
	tr *Truth
	t  *testing.T
}

func watched(t *testing.T, replicas int) *shards {
	f := Start(t, Options{Servers: 3 + 3*replicas, Config: map[string]string{"appendonly": "no", "cluster-replica-validity-factor": "0"}})
	f.Create(t, replicas)
	s := &shards{f, nil, t}
	for i := range f.Servers {
		if s.master(i) >= 0 && !Eventually(30*time.Second, func() bool { return strings.Contains(s.info(i), "master_link_status:up") }) {
			t.Fatalf("%s is not in sync", f.Servers[i].Name)
		}
	}
	s.tr = f.Truth(TruthOptions{Writers: 2, Readers: 2, Keys: 50, Body: 500, Replicas: replicas > 0, Pause: time.Millisecond})
	return s
}

func (s *shards) info(i int) string {
	return s.Client(s.Servers[i]).Info(context.Background(), "replication").Val()
}

func (s *shards) call(i int, args ...any) any {
	s.t.Helper()
	v, err := s.Client(s.Servers[i]).Do(context.Background(), args...).Result()
	if err != nil {
		s.t.Fatalf("%v at %s: %v", args, s.Servers[i].Name, err)
	}
	return v
}

// master is whom server i follows, or -1.
func (s *shards) master(i int) int {
	all := s.selves()
	return slices.IndexFunc(s.Servers, func(o *Server) bool { return all[o.Addr].id != "" && all[o.Addr].id == all[s.Servers[i].Addr].master })
}

// replica is who follows server i.
func (s *shards) replica(i int) int {
	return slices.IndexFunc(s.Servers, func(o *Server) bool { return s.master(slices.Index(s.Servers, o)) == i })
}

// keyAt is a key of the body that server i owns.
func (s *shards) keyAt(i int) *truthKey {
	self := s.selves()[s.Servers[i].Addr]
	at := slices.IndexFunc(s.tr.keys, func(k *truthKey) bool { return self.slots.Has(k.slot) })
	return s.tr.keys[at]
}

// broken demands that the report accuses a key and no other.
func broken(t *testing.T, r TruthReport, key string) {
	t.Helper()
	if len(r.Broken) != 1 || !strings.HasPrefix(r.Broken[0], key+" ") {
		t.Errorf("not %s, but: %v\n%s", key, r, strings.Join(r.Broken, "\n"))
	}
}

func (s *shards) busy() {
	s.t.Helper()
	if n := s.tr.count.writes.Load(); !Eventually(20*time.Second, func() bool { return s.tr.count.writes.Load() > n+300 }) {
		s.t.Fatal("the clients do nothing")
	}
}

func TestTheTruthOfAClusterLeftAloneIsWhole(t *testing.T) {
	s := watched(t, 1)
	s.busy()
	r := s.tr.Stop()
	if len(r.Broken) > 0 || len(r.Own) > 0 || r.Stale > 0 || r.Reads < 500 || r.Copied < r.Writes/2 {
		t.Errorf("%v\n%s", r, strings.Join(r.Broken, "\n"))
	}
}

func TestADeletedKeyIsMissed(t *testing.T) {
	s := watched(t, 0)
	k := s.keyAt(1)
	s.call(1, "DEL", k.name)
	broken(t, s.tr.Stop(), k.name)
}

func TestAnOldVersionIsNoticed(t *testing.T) {
	s := watched(t, 0)
	s.busy()
	s.tr.rest()
	k := s.tr.hot[0].Load()
	c := s.Cluster()
	if err := c.Set(context.Background(), k.name, fmt.Sprintf("%s=%d", k.name, k.floor.Load()-1), 0).Err(); err != nil {
		t.Fatal(err)
	}
	broken(t, s.tr.Audit(), k.name)
}

// A mover that hands a slot over before it is empty: the target is told that it
// owns the slot, gossip tells the source, and the source drops what it holds.
func TestASlotHandedOverWithItsKeysIsMissed(t *testing.T) {
	s := watched(t, 0)
	k := s.keyAt(0)
	all := s.selves()
	from, to := all[s.Servers[0].Addr].id, all[s.Servers[1].Addr].id
	s.call(1, "CLUSTER", "SETSLOT", k.slot, "IMPORTING", from)
	s.call(0, "CLUSTER", "SETSLOT", k.slot, "MIGRATING", to)
	s.call(1, "CLUSTER", "SETSLOT", k.slot, "NODE", to)
	if !Eventually(20*time.Second, func() bool { own := s.selves()[s.Servers[0].Addr].slots; return !own.Has(k.slot) }) {
		t.Fatal("the source does not hear of it")
	}
	r := s.tr.Stop()
	if !slices.ContainsFunc(r.Broken, func(b string) bool { return strings.HasPrefix(b, k.name+" ") }) {
		t.Errorf("%s is not missed: %v", k.name, r)
	}
}

// A master dies with writes that its replica never got. They are told apart from
// a key that the replica had, a key that another master has, and a write after
// the fall: who deletes one of those is caught.
func TestWhatReplicationLosesIsToldFromWhatItMayNot(t *testing.T) {
	s := watched(t, 1)
	s.busy()
	dead := 0
	heir := s.replica(dead)
	kept, foreign := s.keyAt(dead), s.keyAt(1)
	own := s.selves()[s.Servers[dead].Addr].slots
	s.tr.Fall(dead, Alone, func() {
		s.call(dead, "ACL", "SETUSER", "default", "-psync", "-sync")
		s.call(dead, "CLIENT", "KILL", "TYPE", "replica")
		at := s.tr.count.writes.Load()
		Eventually(20*time.Second, func() bool { return s.tr.count.writes.Load() > at+30 })
		s.tr.rest()
		s.Kill(dead)
	})
	if !Eventually(30*time.Second, func() bool { return strings.Contains(s.info(heir), "role:master") }) {
		t.Fatal("the replica is not elected")
	}
	if r := s.tr.Audit(); len(r.Broken) > 0 || len(r.Own) == 0 {
		t.Fatalf("a fall by itself is no breach: %v\n%s", r, strings.Join(r.Broken, "\n"))
	}
	after := s.tr.hot[slices.IndexFunc(s.tr.keys[500:], func(k *truthKey) bool { return own.Has(k.slot) })].Load()
	if clients := s.router(); !s.tr.write(clients, after) {
		t.Fatal("the heir takes no writes")
	}
	for _, k := range []*truthKey{kept, foreign, after} {
		if err := s.Cluster().Del(context.Background(), k.name).Err(); err != nil {
			t.Fatal(err)
		}
	}
	r := s.tr.Audit()
	for _, k := range []*truthKey{kept, foreign, after} {
		if !slices.ContainsFunc(r.Broken, func(b string) bool { return strings.HasPrefix(b, k.name+" ") }) {
			t.Errorf("%s is not missed: %v", k.name, r)
		}
	}
	if len(r.Broken) != 3 {
		t.Errorf("%d are missed: %s", len(r.Broken), strings.Join(r.Broken, "\n"))
	}
}

// What only the fallen master had is its own loss, and so is what was on its way
// to it; the same is none when the fall was a gentle one, or another's.
func TestALossIsExcusedByTheRightFallOnly(t *testing.T) {
	at := time.Now()
	wrote := func(addr string, after time.Duration, copied bool) write {
		return write{version: 1, addr: addr, sent: at.Add(after), acked: true, copied: copied}
	}
	var late, open slot.Set
	late.Add(7)
	open.Add(9)
	for _, c := range []struct {
		name  string
		slot  int
		write write
		how   How
		want  bool
	}{
		{"alone at the fallen", 3, wrote("dead", -time.Second, false), Alone, true},
		{"copied before the fall", 3, wrote("dead", -time.Second, true), Alone, false},
		{"alone, and the proof came after", 3, wrote("dead", -time.Minute, false), Alone, false},
		{"alone, but the fall was gentle", 3, wrote("dead", -time.Second, false), Agreed, false},
		{"at another", 3, wrote("other", -time.Second, false), Alone, false},
		{"at another, then on its way to the fallen", 7, wrote("other", -time.Second, true), Alone, true},
		{"at another, and on its way before the fallen was gone", 7, wrote("other", 50*time.Millisecond, false), Alone, true},
		{"at another after the fall", 7, wrote("other", time.Second, false), Alone, false},
		{"in a slot on its way from the fallen", 9, wrote("other", -time.Second, true), Alone, false},
		{"in a slot on its way from one that was taken over", 9, wrote("other", -time.Second, true), Unasked, true},
		{"elsewhere when one was taken over", 3, wrote("other", -time.Second, true), Unasked, false},
		{"in such a slot, long after", 9, wrote("other", time.Minute, true), Unasked, false},
		{"at the fallen when all was well again", 3, wrote("dead", 3*time.Minute, false), Alone, false},
		{"at the fallen, which did not know", 3, wrote("dead", time.Second, false), Alone, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fall{addr: "dead", at: at, done: at.Add(100 * time.Millisecond), how: c.how, late: late, open: open, until: at.Add(2 * time.Minute)}
			proof := &truthKey{writes: []write{{version: 1, addr: f.addr, sent: at.Add(-30 * time.Second), acked: true, copied: true}}}
			tr := &Truth{keys: []*truthKey{proof}}
			if got := tr.ownLoss(f, c.slot, c.write); got != c.want {
				t.Errorf("excused: %v", got)
			}
		})
	}
}

// Nobody was told OK, but a reader had the version. It may go with a master that
// fell while it had it, or that got it later; else it must be there.
func TestAVersionThatWasOnlySeenIsExcusedLikeOneThatWasAcknowledged(t *testing.T) {
	at := time.Now()
	var late slot.Set
	late.Add(7)
	for _, c := range []struct {
		name string
		slot int
		addr string
		when time.Duration // of the sight, after the fall
		how  How
		want bool
	}{
		{"at the fallen", 3, "dead", -time.Second, Alone, true},
		{"at the fallen, and copied since", 3, "dead", -time.Minute, Alone, false},
		{"at the fallen, which fell gently", 3, "dead", -time.Second, Agreed, false},
		{"at another, then on its way to the fallen", 7, "other", -time.Second, Alone, true},
		{"at another after the fall", 7, "other", time.Second, Alone, false},
		{"at another that kept it", 3, "other", -time.Second, Alone, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := &fall{addr: "dead", at: at, done: at.Add(100 * time.Millisecond), how: c.how, late: late}
			proof := &truthKey{writes: []write{{version: 1, addr: f.addr, sent: at.Add(-30 * time.Second), acked: true, copied: true}}}
			tr := &Truth{keys: []*truthKey{proof}}
			seen := at.Add(c.when)
			r := read{key: &truthKey{slot: c.slot}, floor: 5, saw: sight{5, c.addr, seen, seen}}
			if got := tr.mayLose(r, 5, []*fall{f}); got != c.want {
				t.Errorf("excused: %v", got)
			}
		})
	}
}
