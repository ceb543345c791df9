package livetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
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

// advance writes versions of a key until one is a deletion, or is none.
func (s *shards) advance(k *truthKey, deletion bool) int64 {
	s.t.Helper()
	clients := s.router()
	defer clients.close()
	for range 2 * 5 {
		if !s.tr.write(clients, k) {
			s.t.Fatal("a write has no answer")
		}
		if v := k.tried.Load(); deletes(v) == deletion {
			return v
		}
	}
	s.t.Fatal("no such version comes")
	return 0
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

func TestADeletedKeyThatIsBackIsNoticed(t *testing.T) {
	s := watched(t, 0)
	s.busy()
	s.tr.rest()
	k := s.tr.hot[0].Load()
	version := s.advance(k, true)
	if r := s.tr.Audit(); len(r.Broken) > 0 {
		t.Fatalf("a deletion is no loss: %s", r.Broken)
	}
	if err := s.Cluster().Set(context.Background(), k.name, fmt.Sprintf("%s=%d", k.name, version-1), 0).Err(); err != nil {
		t.Fatal(err)
	}
	broken(t, s.tr.Audit(), k.name)
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
	s.advance(after, false)
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
