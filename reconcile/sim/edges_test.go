package sim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// formed is a cluster of masters at 10.0.0.1.. with a replica each behind them,
// at rest and with n keys.
func formed(t *testing.T, masters, replicas, keys int) *World {
	t.Helper()
	w := New()
	for i := range masters + replicas {
		w.Add(nodeAddr(i), Options{})
	}
	for i := range masters {
		must(t, w, i, "CLUSTER", "SET-CONFIG-EPOCH", fmt.Sprint(i+1))
		must(t, w, i, "CLUSTER", "ADDSLOTSRANGE", fmt.Sprint(i*16384/masters), fmt.Sprint((i+1)*16384/masters-1))
	}
	for i := 1; i < masters+replicas; i++ {
		must(t, w, 0, "CLUSTER", "MEET", fmt.Sprintf("10.0.0.%d", i+1), "6379")
	}
	w.Ticks(8)
	for i := range replicas {
		must(t, w, masters+i, "CLUSTER", "REPLICATE", idOf(t, w, i%masters))
	}
	w.Ticks(8)
	for i := range keys {
		if err := w.Set(fmt.Sprintf("key:%d", i), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func nodeAddr(i int) string { return fmt.Sprintf("10.0.0.%d:6379", i+1) }

func must(t *testing.T, w *World, i int, args ...string) any {
	t.Helper()
	v, err := w.Do(nodeAddr(i), args...)
	if err != nil {
		t.Fatalf("%q at %d: %v", args, i, err)
	}
	return v
}

func idOf(t *testing.T, w *World, i int) string { return must(t, w, i, "CLUSTER", "MYID").(string) }

// setSlot sends CLUSTER SETSLOT n action ID-of-peer to server i.
func setSlot(t *testing.T, w *World, i, n int, action string, peer int) {
	t.Helper()
	must(t, w, i, "CLUSTER", "SETSLOT", fmt.Sprint(n), action, idOf(t, w, peer))
}

// slot 3300 is that of {b}, owned by the first of three masters.
const slotB = 3300

func healthy(w *World, keys map[string]string) []string {
	var out []string
	if left := w.Unserved(); !left.Empty() {
		out = append(out, "unserved "+left.String())
	}
	if lost := w.Astray(); len(lost) > 0 {
		out = append(out, "astray "+strings.Join(lost, " "))
	}
	for _, m := range w.Misdirected() {
		out = append(out, "misdirected "+m.String())
	}
	if !maps.Equal(w.Keys(), keys) {
		out = append(out, "keys changed")
	}
	return out
}

// The right order of a move, and deliberate bugs: each is caught by the promise
// that is there for it.
func TestEveryPromiseCatchesItsBug(t *testing.T) {
	type step struct {
		at     int
		action string
		peer   int
	}
	importing, migrating := step{1, "IMPORTING", 0}, step{0, "MIGRATING", 1}
	keys, target, source := step{0, "keys", 1}, step{1, "NODE", 1}, step{0, "NODE", 1}
	for name, c := range map[string]struct {
		steps []step
		want  string
	}{
		"the right order":                     {[]step{importing, migrating, keys, target, source}, ""},
		"the slot before its keys":            {[]step{importing, migrating, target}, "keys changed"},
		"the source is told before":           {[]step{importing, migrating, keys, source}, "unserved 3300"},
		"migrating before importing":          {[]step{migrating}, "misdirected 10.0.0.1:6379 sends clients of slot 3300 to 10.0.0.2:6379, which will not serve them"},
		"keys without the mark at the source": {[]step{importing, keys}, "astray {b}1 {b}2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := formed(t, 3, 0, 20)
			for _, k := range []string{"{b}1", "{b}2"} {
				if err := w.Set(k, "v"); err != nil {
					t.Fatal(err)
				}
			}
			before, found := w.Keys(), []string{}
			for _, s := range c.steps {
				if s.action == "keys" {
					must(t, w, s.at, "MIGRATE", "10.0.0.2", "6379", "", "0", "1000", "KEYS", "{b}1", "{b}2")
				} else {
					setSlot(t, w, s.at, slotB, s.action, s.peer)
				}
				found = append(found, healthy(w, before)...)
			}
			if c.want == "" && len(found) > 0 || c.want != "" && !slices.Contains(found, c.want) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

func TestForgettingOneByOneIsUndoneByGossip(t *testing.T) {
	w := formed(t, 3, 1, 0)
	gone := idOf(t, w, 3)
	must(t, w, 0, "CLUSTER", "FORGET", gone)
	w.Ticks(banTime - 1)
	if strings.Contains(must(t, w, 0, "CLUSTER", "NODES").(string), gone) {
		t.Error("the ban was over too early")
	}
	w.Ticks(5)
	if !strings.Contains(must(t, w, 0, "CLUSTER", "NODES").(string), gone) {
		t.Error("gossip did not bring it back")
	}
	for i := range 3 {
		if i == 0 {
			_, err := w.Do(nodeAddr(3), "CLUSTER", "FORGET", idOf(t, w, 0))
			if err == nil || err.Error() != "ERR Can't forget my master!" {
				t.Errorf("got %v", err)
			}
		}
		must(t, w, i, "CLUSTER", "FORGET", gone)
	}
	w.Ticks(banTime + 10)
	for i := range 3 {
		if strings.Contains(must(t, w, i, "CLUSTER", "NODES").(string), gone) {
			t.Errorf("%d knows it again", i)
		}
	}
	if !strings.Contains(must(t, w, 3, "CLUSTER", "NODES").(string), idOf(t, w, 0)) {
		t.Error("it does not believe in its cluster any more")
	}
}

func TestAMinorityElectsNobody(t *testing.T) {
	w := formed(t, 3, 3, 10)
	w.Partition([]string{nodeAddr(0), nodeAddr(3)}, []string{nodeAddr(1), nodeAddr(2), nodeAddr(4), nodeAddr(5)})
	w.Kill(nodeAddr(0))
	w.Ticks(20)
	if strings.Contains(must(t, w, 3, "INFO").(string), "role:master") {
		t.Error("a replica in the minority was elected")
	}
	if v, err := w.Do(nodeAddr(3), "GET", "{b}1"); err == nil || err.Error() != "CLUSTERDOWN The cluster is down" {
		t.Errorf("got %v, %v", v, err)
	}
	w.Partition()
	w.Ticks(20)
	if !strings.Contains(must(t, w, 3, "INFO").(string), "role:master") {
		t.Error("nobody was elected after the cut")
	}
}

func TestTakeoverNeedsNobodyAndMakesTwoOwners(t *testing.T) {
	w := formed(t, 3, 1, 10)
	w.Partition([]string{nodeAddr(3)})
	w.Ticks(5)
	must(t, w, 3, "CLUSTER", "FAILOVER", "TAKEOVER")
	a, d := must(t, w, 0, "CLUSTER", "NODES").(string), must(t, w, 3, "CLUSTER", "NODES").(string)
	if !strings.Contains(a, "myself,master - 0 0 1 connected 0-5460") || !strings.Contains(d, "myself,master - 0 0 4 connected 0-5460") {
		t.Errorf("the old master says\n%s\nthe new one\n%s", a, d)
	}
	w.Partition()
	w.Ticks(3)
	if !strings.Contains(must(t, w, 0, "INFO").(string), "role:slave") {
		t.Error("the old master is still one")
	}
}

func TestAMasterThatComesBackWithoutDataLeavesItsSlotsUnserved(t *testing.T) {
	w := formed(t, 3, 0, 10)
	before := len(w.Keys())
	w.Kill(nodeAddr(0))
	w.Restart(nodeAddr(0), false)
	w.Ticks(10)
	left := w.Unserved()
	if left.String() != "0-5460" || len(w.Keys()) >= before {
		t.Errorf("unserved %s, %d keys of %d", left.String(), len(w.Keys()), before)
	}
	if _, err := w.Do(nodeAddr(1), "GET", "{b}1"); err == nil {
		t.Error("somebody serves them")
	}
}

func TestAReplicaGoesToAMasterWhoseReplicasFailed(t *testing.T) {
	for allow, want := range map[string]bool{"yes": true, "no": false} {
		w := formed(t, 3, 4, 0) // the first master has two
		for i := range 7 {
			must(t, w, i, "CONFIG", "SET", allowMigration, allow)
		}
		w.Kill(nodeAddr(4))
		w.Ticks(20)
		moved := strings.Count(must(t, w, 1, "CLUSTER", "NODES").(string), "slave "+idOf(t, w, 1)) == 2
		if moved != want {
			t.Errorf("allowed %s: moved %v", allow, moved)
		}
	}
}

func TestAPausedServerIsSilentAndADeadOneRefuses(t *testing.T) {
	w := formed(t, 3, 0, 0)
	w.Pause(nodeAddr(0))
	w.Hide(nodeAddr(1))
	w.Kill(nodeAddr(2))
	for i, want := range []error{ErrSilent, ErrSilent, ErrDown} {
		if _, err := w.Do(nodeAddr(i), "PING"); err != want {
			t.Errorf("server %d: %v, want %v", i, err, want)
		}
	}
	w.Resume(nodeAddr(0))
	w.Show(nodeAddr(1))
	w.Restart(nodeAddr(2), true)
	for i := range 3 {
		must(t, w, i, "PING")
	}
}

func TestAConnectionDiesWithItsServer(t *testing.T) {
	w := formed(t, 1, 0, 0)
	c := w.Open(nodeAddr(0))
	if _, err := c.Do("CLIENT", "SETNAME", "x"); err != nil {
		t.Fatal(err)
	}
	if list := must(t, w, 0, "CLIENT", "LIST").(string); strings.Count(list, "name=x ") != 1 {
		t.Errorf("clients: %s", list)
	}
	w.Kill(nodeAddr(0))
	w.Restart(nodeAddr(0), true)
	if _, err := c.Do("PING"); err != ErrDown || !c.Lost() {
		t.Errorf("got %v", err)
	}
	if list := must(t, w, 0, "CLIENT", "LIST").(string); strings.Contains(list, "name=x") {
		t.Errorf("clients: %s", list)
	}
}

func TestMigrateLogsInAtItsTarget(t *testing.T) {
	w := formed(t, 2, 0, 0)
	if err := w.Set("{b}1", "v"); err != nil {
		t.Fatal(err)
	}
	setSlot(t, w, 1, slotB, "IMPORTING", 0)
	setSlot(t, w, 0, slotB, "MIGRATING", 1)
	must(t, w, 1, "CONFIG", "SET", "requirepass", "secret")
	for args, want := range map[string]string{
		"":             "ERR Target instance replied with error: NOAUTH Authentication required.",
		"AUTH wrong":   "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.",
		"AUTH2 u nope": "ERR Target instance replied with error: WRONGPASS invalid username-password pair or user is disabled.",
	} {
		_, err := w.Do(nodeAddr(0), append(strings.Fields("MIGRATE 10.0.0.2 6379 {b}1 0 1000"), strings.Fields(args)...)...)
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", args, err, want)
		}
	}
	must(t, w, 0, "MIGRATE", "10.0.0.2", "6379", "", "0", "1000", "AUTH2", "default", "secret", "KEYS", "{b}1")
}

func TestAFaultIsARefusalAndKeepsTheKey(t *testing.T) {
	w := formed(t, 2, 0, 0)
	if err := w.Set("{b}1", "v"); err != nil {
		t.Fatal(err)
	}
	w.Fault = func(addr string, args []string) error {
		if args[0] == "RESTORE-ASKING" {
			return Error("OOM command not allowed when used memory > 'maxmemory'.")
		}
		return nil
	}
	setSlot(t, w, 1, slotB, "IMPORTING", 0)
	setSlot(t, w, 0, slotB, "MIGRATING", 1)
	_, err := w.Do(nodeAddr(0), "MIGRATE", "10.0.0.2", "6379", "{b}1", "0", "1000")
	if err == nil || !strings.Contains(err.Error(), "OOM") || must(t, w, 0, "CLUSTER", "COUNTKEYSINSLOT", "3300") != int64(1) {
		t.Errorf("got %v", err)
	}
}

func TestFunctionsStayWhereTheyAre(t *testing.T) {
	w := formed(t, 2, 1, 0)
	must(t, w, 0, "FUNCTION", "LOAD", "#!lua name=lib\nreturn 1")
	if list := must(t, w, 2, "FUNCTION", "LIST").([]any); len(list) != 1 {
		t.Errorf("the replica has %v", list)
	}
	if list := must(t, w, 1, "FUNCTION", "LIST").([]any); len(list) != 0 {
		t.Errorf("the other master has %v", list)
	}
	must(t, w, 1, "FUNCTION", "RESTORE", must(t, w, 0, "FUNCTION", "DUMP").(string))
	if _, err := w.Do(nodeAddr(1), "FUNCTION", "RESTORE", must(t, w, 0, "FUNCTION", "DUMP").(string)); err == nil {
		t.Error("a library was loaded twice")
	}
}

func TestACloneGoesItsOwnWay(t *testing.T) {
	w := formed(t, 3, 3, 30)
	c := w.Clone()
	keys, nodes := w.Keys(), must(t, w, 0, "CLUSTER", "NODES")
	c.Kill(nodeAddr(0))
	if err := c.Set("{x}more", "1"); err != nil {
		t.Fatal(err)
	}
	setSlot(t, c, 1, slotB, "IMPORTING", 2)
	c.Ticks(20)
	if !maps.Equal(w.Keys(), keys) || must(t, w, 0, "CLUSTER", "NODES") != nodes {
		t.Error("the original changed")
	}
	if maps.Equal(c.Keys(), keys) {
		t.Error("the clone did not change")
	}
}

func TestASlowBusLetsOthersLearnWithTheNextTick(t *testing.T) {
	for _, slow := range []bool{false, true} {
		w := formed(t, 3, 0, 0)
		w.SlowBus = slow
		setSlot(t, w, 1, slotB, "IMPORTING", 0)
		setSlot(t, w, 1, slotB, "NODE", 1)
		knows := strings.Contains(must(t, w, 2, "CLUSTER", "NODES").(string), " 0-3299 3301-5460")
		if knows == slow {
			t.Errorf("slow %v, known at once %v", slow, knows)
		}
		w.Tick()
		if !strings.Contains(must(t, w, 2, "CLUSTER", "NODES").(string), " 0-3299 3301-5460") {
			t.Error("not known after a tick")
		}
	}
}

func BenchmarkClone(b *testing.B) {
	w := New()
	for i := range 8 {
		w.Add(nodeAddr(i), Options{})
	}
	for b.Loop() {
		w.Clone()
	}
}
