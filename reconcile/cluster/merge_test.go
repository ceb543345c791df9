package cluster

import (
	"reflect"
	"strings"
	"testing"
)

// world is a small cluster in shorthand: one block per server that answers,
// `name:` and then its lines. A line is `id addr flags master epoch link
// slots...`; an ID is one word that stands for 40 digits.
func world(t *testing.T, text string) []View {
	t.Helper()
	var out []View
	for row := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		if row = strings.TrimSpace(row); row == "" {
			continue
		}
		if name, ok := strings.CutSuffix(row, ":"); ok {
			out = append(out, View{Place: listed(name)})
			continue
		}
		v := &out[len(out)-1]
		lines, err := ParseNodes(longRow(row, true))
		if err != nil {
			t.Fatal(err)
		}
		lines[0].Flags.Myself = strings.Contains(row, "myself")
		v.Lines = append(v.Lines, lines[0])
	}
	return out
}

// longRow puts back what shorthand leaves out.
func longRow(row string, myself bool) string {
	f := strings.Fields(row)
	if myself && !strings.Contains(f[2], "myself") {
		f[2] += ",myself"
	}
	f[0], f[3] = id(f[0]), id(f[3])
	for i := 6; i < len(f); i++ {
		if strings.HasPrefix(f[i], "[") {
			at := strings.LastIndexByte(f[i], '-') + 1
			f[i] = f[i][:at] + id(strings.TrimSuffix(f[i][at:], "]")) + "]"
		}
	}
	f[1] += "@0"
	return strings.Join(append(append(f[:4:4], "0", "0"), f[4:]...), " ")
}

func id(word string) string {
	if word == "-" {
		return word
	}
	return strings.Repeat("0", 40-len(word)) + word
}

// listed is a place of the topology: n1 stands at 10.0.0.1:6379.
func listed(name string) Place {
	host := "10.0.0." + strings.TrimLeft(name, "nx")
	return Place{Name: name, Host: host, Addr: host + ":6379", Listed: true, Exists: true}
}

// three is a cluster at rest: masters a, b, c at n1, n2, n3, and d at n4 that
// follows a.
const three = `
n1:
  a 10.0.0.1:6379 myself,master - 1 connected 0-5460
  b 10.0.0.2:6379 master - 2 connected 5461-10922
  c 10.0.0.3:6379 master - 3 connected 10923-16383
  d 10.0.0.4:6379 slave a 1 connected
n2:
  a 10.0.0.1:6379 master - 1 connected 0-5460
  b 10.0.0.2:6379 myself,master - 2 connected 5461-10922
  c 10.0.0.3:6379 master - 3 connected 10923-16383
  d 10.0.0.4:6379 slave a 1 connected
n3:
  a 10.0.0.1:6379 master - 1 connected 0-5460
  b 10.0.0.2:6379 master - 2 connected 5461-10922
  c 10.0.0.3:6379 myself,master - 3 connected 10923-16383
  d 10.0.0.4:6379 slave a 1 connected
n4:
  a 10.0.0.1:6379 master - 1 connected 0-5460
  b 10.0.0.2:6379 master - 2 connected 5461-10922
  c 10.0.0.3:6379 master - 3 connected 10923-16383
  d 10.0.0.4:6379 myself,slave a 1 connected
`

// without is three as it looks when one server does not answer.
func without(t *testing.T, name string) []View {
	t.Helper()
	views := world(t, three)
	for i := range views {
		if views[i].Place.Name == name {
			views[i] = View{Place: views[i].Place, Trouble: "no route to host"}
		}
	}
	return views
}

// line is what one server says of an ID.
func line(views []View, name, word string) *Line {
	for i := range views {
		for k := range views[i].Lines {
			if views[i].Place.Name == name && views[i].Lines[k].ID == id(word) {
				return &views[i].Lines[k]
			}
		}
	}
	return nil
}

func checkSplit(t *testing.T, s State, want ...string) {
	t.Helper()
	if len(s.Split) != len(want) {
		t.Fatalf("split says %q, want %q", s.Split, want)
	}
	for i := range want {
		if s.Split[i] != want[i] {
			t.Errorf("split says %q, want %q", s.Split[i], want[i])
		}
	}
}

func TestAtRestEverythingIsKnown(t *testing.T) {
	views := world(t, three)
	for i := range views {
		views[i].Info = Info{Keys: int64(i), Offset: 100, Ready: true, Linked: i == 3}
	}
	views[3].Info.Offset = 90
	s := Merge(views)
	checkSplit(t, s)
	if !s.Formed || len(s.Nodes) != 4 || len(s.Open) != 0 {
		t.Fatalf("got %+v", s)
	}
	if left := s.Unserved(); !left.Empty() {
		t.Errorf("%s are unserved", left)
	}
	for i, n := range s.Nodes {
		if n.Health != Up || !n.Member || n.Foreign || n.Alone || n.UnknownAt != nil || n.Moved || n.Keys != int64(i) {
			t.Errorf("got %+v", n)
		}
	}
	if b := s.Node("n2"); b.Slots.String() != "5461-10922" || b.Epoch != 2 || b.ID != id("b") || b.Lag != 0 {
		t.Errorf("n2 is %+v", b)
	}
	if d := s.Node("n4"); d.Master != id("a") || d.Lag != 10 || !d.Linked || !d.Slots.Empty() {
		t.Errorf("n4 is %+v", d)
	}
}

func TestTheOrderOfViewsDoesNotMatter(t *testing.T) {
	views := without(t, "n2")
	line(views, "n1", "c").Master = id("a")
	line(views, "n3", "a").Ranges = nil
	want := Merge(views)
	for range 10 {
		views = append(views[1:], views[0])
		if got := Merge(views); !reflect.DeepEqual(got, want) {
			t.Fatalf("got  %+v\nwant %+v", got, want)
		}
	}
}

func TestASilentMasterKeepsItsNameAndSlots(t *testing.T) {
	s := Merge(without(t, "n2"))
	n := s.Node("n2")
	if n == nil || n.Health != Silent || n.ID != id("b") || n.Slots.String() != "5461-10922" || n.Epoch != 2 {
		t.Fatalf("n2 is %+v", n)
	}
	if !n.Member || n.Keys != Unknown || n.Lag != Unknown || n.Memory.Used != Unknown || n.Trouble != "no route to host" {
		t.Errorf("n2 is %+v", n)
	}
	checkSplit(t, s)
}

func TestASilentReplicaKeepsItsMaster(t *testing.T) {
	if n := Merge(without(t, "n4")); n.Node("n4").Master != id("a") || n.Node("n4").Health != Silent {
		t.Errorf("n4 is %+v", n.Node("n4"))
	}
}

func TestFailedNeedsAMajorityOfAnsweringMasters(t *testing.T) {
	views := without(t, "n2")
	line(views, "n1", "b").Flags.Fail = true
	line(views, "n4", "b").Flags.Fail = true // a replica has no voice
	if s := Merge(views); s.Node("n2").Health != Silent {
		t.Errorf("one of two masters made it %v", s.Node("n2").Health)
	}
	line(views, "n3", "b").Flags.Fail = true
	if s := Merge(views); s.Node("n2").Health != Failed || s.Node("n2").Gone {
		t.Errorf("both masters made it %v, gone: %v", s.Node("n2").Health, s.Node("n2").Gone)
	}
}

func TestOnlyARefusedConnectionProvesThatNothingRuns(t *testing.T) {
	views := without(t, "n2")
	for i := range views {
		views[i].Refused = views[i].Place.Name == "n2"
	}
	if s := Merge(views); s.Node("n2").Gone {
		t.Error("nobody calls it failed, and it is gone")
	}
	line(views, "n1", "b").Flags.Fail, line(views, "n3", "b").Flags.Fail = true, true
	if s := Merge(views); !s.Node("n2").Gone {
		t.Error("it is failed and refuses connections, and is not gone")
	}
}

func TestANodeNobodyHasAnAddressOfIsReplaced(t *testing.T) {
	views := without(t, "n2")
	for _, by := range []string{"n1", "n3"} {
		l := line(views, by, "b")
		l.Host, l.Port, l.Flags.NoAddr = "", 0, true
	}
	find := func() *Node { s := Merge(views); return s.ByID(id("b")) }
	if n := find(); n == nil || n.Replaced {
		t.Errorf("one member has an address for it: %+v", n)
	}
	l := line(views, "n4", "b")
	l.Host, l.Port, l.Flags.NoAddr = "", 0, true
	if n := find(); n == nil || !n.Replaced {
		t.Errorf("nobody has an address for it: %+v", n)
	}
}

func TestAFailedNodeWhoseNameAnotherNodeHasIsReplaced(t *testing.T) {
	const name = "n2.example.com"
	world := func(alias string, owns, failed bool) []View {
		views := without(t, "n2")
		for i := range views {
			if views[i].Place.Name == "n4" { // nobody told it the name
				views[i].Place.Alias = alias
				continue
			}
			if l := line(views, views[i].Place.Name, "b"); l != nil {
				l.Name = name
			}
		}
		for _, by := range []string{"n1", "n3", "n4"} {
			l := line(views, by, "b")
			if l.Flags.Fail = failed; !owns {
				l.Ranges = nil
			}
		}
		return views
	}
	replaced := func(views []View) bool { s := Merge(views); return s.ByID(id("b")).Replaced }
	if !replaced(world(name+":6379", false, true)) {
		t.Error("n4 answers where it stood, and it is not replaced")
	}
	for what, views := range map[string][]View{
		"nobody has its name": world("n4.example.com:6379", false, true),
		"it owns slots":       world(name+":6379", true, true),
		"it did not fail":     world(name+":6379", false, false),
	} {
		if replaced(views) {
			t.Errorf("%s, and it is replaced", what)
		}
	}
	views := world(name+":6379", false, true)
	line(views, "n3", "b").Name = "other.example.com"
	if replaced(views) {
		t.Error("members do not agree what it is called, and it is replaced")
	}

	for alias, split := range map[string]bool{name + ":6379": false, "n4.example.com:6379": true} {
		views := world(alias, false, true)
		l := line(views, "n3", "b") // it alone heard the last that it said
		l.Flags.Master, l.Flags.Replica, l.Master = false, true, id("c")
		if s := Merge(views); len(s.Split) > 0 != split {
			t.Errorf("n4 has the name %s, and members disagree: %v", alias, s.Split)
		}
	}
}

func TestAPlaceThatDoesNotExistIsAbsent(t *testing.T) {
	views := append(world(t, three), View{Place: Place{Name: "n5", Listed: true}})
	if n := Merge(views); n.Node("n5").Health != Absent || n.Node("n5").Member || n.Node("n5").Trouble != "" {
		t.Errorf("n5 is %+v", n.Node("n5"))
	}
}

func TestALoadingNodeIsNamedByItsAddress(t *testing.T) {
	views := without(t, "n2")
	for i := range views {
		if views[i].Place.Name == "n2" {
			views[i].Trouble, views[i].Loading = "", true
		}
	}
	n := Merge(views)
	if b := n.Node("n2"); b.Health != Loading || b.ID != id("b") || b.Slots.Len() != 5462 || b.Keys != Unknown {
		t.Errorf("n2 is %+v", b)
	}
}

func TestAHintNamesASilentNodeWhoseAddressChanged(t *testing.T) {
	views := without(t, "n2")
	for i := range views {
		if views[i].Place.Name == "n2" {
			views[i].Place.Addr, views[i].Place.ID = "10.0.9.9:6379", id("b")
		}
	}
	s := Merge(views)
	if n := s.Node("n2"); n.ID != id("b") || len(s.Nodes) != 4 {
		t.Errorf("n2 is %+v of %d nodes", n, len(s.Nodes))
	}
}

func TestASilentNodeIsFoundByItsHostName(t *testing.T) {
	views := without(t, "n2")
	for i := range views {
		views[i].Place.Listed = true
		if views[i].Place.Name == "n2" {
			views[i].Place.Addr = "redis-2.example.com:6379"
		} else {
			line(views, views[i].Place.Name, "b").Name = "redis-2.example.com"
		}
	}
	if n := Merge(views).Nodes; len(n) != 4 {
		t.Errorf("%d nodes", len(n))
	}
}

func TestTheServersAnswerWinsOverTheHint(t *testing.T) {
	views := world(t, three)
	views[0].Place.ID = id("b")
	s := Merge(views)
	if n := s.Node("n1"); n.ID != id("a") || len(s.Nodes) != 4 {
		t.Errorf("n1 is %+v", n)
	}
}

func TestWhatNoPlaceCoversIsAStranger(t *testing.T) {
	views := world(t, three)[:3]
	s := Merge(views)
	n := s.Node("10.0.0.4:6379")
	if n == nil || n.Listed || n.Before || !n.Member || n.Health != Silent || n.Master != id("a") {
		t.Fatalf("the stranger is %+v", n)
	}
	views = append(views, View{Place: Place{Name: "10.0.0.4:6379", Addr: "10.0.0.4:6379"}, Lines: world(t, three)[3].Lines})
	s = Merge(views)
	if n = s.Node("10.0.0.4:6379"); n.Health != Up || n.Listed || n.Before || n.Host != "10.0.0.4" {
		t.Errorf("the stranger is %+v", n)
	}
}

func TestAStrangerWithoutAddressIsNamedByItsID(t *testing.T) {
	views := world(t, three)[:3]
	for _, v := range views {
		l := line(views, v.Place.Name, "d")
		l.Host, l.Port, l.Flags.NoAddr = "", 0, true
	}
	if n := Merge(views); n.Node(id("d")) == nil || n.Node(id("d")).Addr != "" {
		t.Errorf("got %+v", n.Nodes)
	}
}

func TestAnUnlistedPlaceWasListedBefore(t *testing.T) {
	views := world(t, three)
	views[3].Place.Listed = false
	if n := Merge(views); !n.Node("n4").Before || n.Node("n4").Listed {
		t.Errorf("n4 is %+v", n.Node("n4"))
	}
}

func TestANodeWhoseNameWentToAnotherWasListedBefore(t *testing.T) {
	views := world(t, three)
	old := &views[3].Place
	old.Name, old.ID, old.Listed = old.Addr, id("d"), false
	s := Merge(views)
	if n := s.Node(old.Addr); n == nil || !n.Before || n.Listed || n.Health != Up {
		t.Errorf("it is %+v", n)
	}
	views[3].Lines, views[3].Trouble = nil, "no route to host"
	s = Merge(views)
	if n := s.Node(old.Addr); n == nil || !n.Before || n.ID != id("d") || n.Health != Silent {
		t.Errorf("silent, it is %+v", n)
	}
}

func TestANodeThatLostItsVolumeLeavesAGhost(t *testing.T) {
	views := world(t, three)
	views[1].Lines = world(t, "n2:\n e :6379 myself,master - 0 connected")[0].Lines
	s := Merge(views)
	if n := s.Node("n2"); n.ID != id("e") || n.Member || n.Foreign || !n.Alone || n.Health != Up {
		t.Errorf("n2 is %+v", n)
	}
	ghost := s.Node(id("b"))
	if ghost == nil || !ghost.Before || !ghost.Member || ghost.Slots.Len() != 5462 || ghost.Addr != "" {
		t.Fatalf("the ghost is %+v", ghost)
	}
	if want := "its address is now that of n2"; ghost.Trouble != want {
		t.Errorf("trouble %q, want %q", ghost.Trouble, want)
	}
}

func TestTwoPlacesOfOneServerAreToldApart(t *testing.T) {
	views := append(world(t, three), View{Place: listed("n5"), Lines: world(t, three)[0].Lines})
	s := Merge(views)
	if n := s.Node("n5"); n.Health != Silent || n.ID != "" || n.Trouble != "the server at its address is n1" || n.Twin != "n1" {
		t.Errorf("n5 is %+v", n)
	}
}

func TestBlankServersAreNoCluster(t *testing.T) {
	s := Merge(world(t, `
n1:
  a :6379 myself,master - 0 connected
n2:
  b :6379 myself,master - 0 connected`))
	if s.Formed || s.Node("n1").Member || !s.Node("n1").Alone || s.Node("n1").Foreign {
		t.Errorf("got %+v", s)
	}
	checkSplit(t, s)
}

func TestOneMasterWithSlotsIsACluster(t *testing.T) {
	s := Merge(world(t, "n1:\n a :6379 myself,master - 1 connected 0-16383\nn2:\n b :6379 myself,master - 0 connected"))
	if !s.Formed || !s.Node("n1").Member || s.Node("n2").Member || s.Node("n2").Foreign {
		t.Errorf("got %+v", s)
	}
}

func TestHandshakesAreNotMembers(t *testing.T) {
	s := Merge(world(t, "n1:\n a :6379 myself,master - 1 connected 0-16383\n f 10.0.0.2:6379 handshake - 0 disconnected"))
	if len(s.Nodes) != 1 || !s.Node("n1").Alone {
		t.Errorf("got %+v", s.Nodes)
	}
}

func TestANewMemberIsUnknownWhereGossipHasNotComeYet(t *testing.T) {
	views := world(t, three+`
n5:
  a 10.0.0.1:6379 master - 1 connected 0-5460
  e 10.0.0.5:6379 myself,master - 0 connected`)
	views[0].Lines = append(views[0].Lines, world(t, "x:\n e 10.0.0.5:6379 master - 0 connected")[0].Lines...)
	line(views, "n1", "e").Flags.Myself = false
	s := Merge(views)
	n := s.Node("n5")
	if !n.Member || !reflect.DeepEqual(n.UnknownAt, []string{"n2", "n3", "n4"}) {
		t.Errorf("n5 is %+v", n)
	}
	if b := s.Node("n2"); !reflect.DeepEqual(b.UnknownAt, []string{"n5"}) {
		t.Errorf("n2 is unknown at %v", b.UnknownAt)
	}
}

func TestANodeThatWasResetIsUnknownToAll(t *testing.T) {
	views := world(t, three)
	views[3].Lines = world(t, "n4:\n d 10.0.0.4:6379 myself,master - 0 connected")[0].Lines
	s := Merge(views)
	n := s.Node("n4")
	if !n.Member || !n.Alone || n.Foreign || !reflect.DeepEqual(n.UnknownAt, []string{"n1", "n2", "n3"}) {
		t.Errorf("n4 is %+v", n)
	}
	if s.Node("n1").UnknownAt != nil {
		t.Errorf("n1 is unknown at %v", s.Node("n1").UnknownAt)
	}
}

func TestAForgottenNodeIsNeitherMemberNorForeign(t *testing.T) {
	views := world(t, three)
	for i := range 3 {
		views[i].Lines = views[i].Lines[:3]
	}
	s := Merge(views)
	if n := s.Node("n4"); n.Member || n.Foreign || n.Alone {
		t.Errorf("n4 is %+v", n)
	}
}

const other = `
n7:
  1 10.0.0.7:6379 myself,master - 1 connected 0-16383
  2 10.0.0.8:6379 slave 1 1 connected
x8:
  1 10.0.0.7:6379 master - 1 connected 0-16383
  2 10.0.0.8:6379 myself,slave 1 1 connected
`

func TestAListedNodeOfAnotherClusterIsForeign(t *testing.T) {
	views := append(world(t, three), world(t, other)...)
	views[5].Place = Place{Name: "10.0.0.8:6379", Addr: "10.0.0.8:6379"}
	s := Merge(views)
	n := s.Node("n7")
	if !n.Foreign || n.Member || !n.Slots.Empty() {
		t.Errorf("n7 is %+v", n)
	}
	if s.Node("10.0.0.8:6379") != nil {
		t.Error("a stranger of another cluster was taken over")
	}
	if a := s.Node("n1"); !a.Member || a.Slots.Len() != 5461 {
		t.Errorf("n1 is %+v", a)
	}
	checkSplit(t, s, "n7 serves 16384 slots (0-16383) in another cluster")
}

func TestAServerThatWokeUpWithAnEarlierLifesSlotsSplitsNobody(t *testing.T) {
	s := Merge(append(world(t, three), world(t, "n9:\n 9 :6379 myself,master - 1 connected 0-9")...))
	if n := s.Node("n9"); !n.Foreign || n.Member || !n.Slots.Empty() {
		t.Errorf("n9 is %+v", n)
	}
	checkSplit(t, s)
}

const met = `
n5:
  e 10.0.0.5:6379 myself,master - 0 connected
  f 10.0.0.6:6379 master - 0 connected
n6:
  e 10.0.0.5:6379 master - 0 connected
  f 10.0.0.6:6379 myself,master - 0 connected`

func TestTheMainClusterIsTheOneThatServes(t *testing.T) {
	s := Merge(append(world(t, met), world(t, "n1:\n a :6379 myself,master - 1 connected 0-9")...))
	if !s.Node("n1").Member || s.Node("n5").Member {
		t.Errorf("got %+v", s.Nodes)
	}
}

func TestPlacesThatOnlyMetEachOtherAreNotForeign(t *testing.T) {
	views := append(world(t, three), world(t, met)...)
	s := Merge(views)
	if n := s.Node("n5"); n.Member || n.Foreign || n.Alone {
		t.Errorf("n5 is %+v", n)
	}
	views[5].Place = Place{Name: "10.0.0.6:6379", Addr: "10.0.0.6:6379"}
	s = Merge(views)
	if n := s.Node("n5"); !n.Foreign {
		t.Errorf("n5 knows a server that is not ours: %+v", n)
	}
	views[5] = View{Place: listed("n6"), Trouble: "no route to host"}
	s = Merge(views)
	if n := s.Node("n5"); !n.Foreign {
		t.Errorf("n5 knows a server that says nothing: %+v", n)
	}
}

func TestOfTwoServingClustersTheOneWithMoreListedPlacesIsMain(t *testing.T) {
	views := append(world(t, other), without(t, "n3")...)
	for _, name := range []string{"n1", "n2", "n4"} {
		line(views, name, "a").Ranges = nil // fewer slots than the other one, more listed places
	}
	views[1].Place = Place{Name: "10.0.0.8:6379", Addr: "10.0.0.8:6379"}
	s := Merge(views)
	if !s.Node("n2").Member || !s.Node("n7").Foreign {
		t.Errorf("got %+v", s.Nodes)
	}
}

func TestOwnersOwnWordHolds(t *testing.T) {
	views := world(t, three)
	line(views, "n1", "a").Ranges[0].First = 1
	s := Merge(views)
	checkSplit(t, s, "n2, n3 and n4 see slot 0 at n1, and by the owners' word at nobody")
	if a := s.Node("n1"); a.Slots.Has(0) {
		t.Error("n1 denies slot 0 and has it")
	}
}

func TestOfTwoClaimsTheGreaterEpochWins(t *testing.T) {
	views := world(t, three)
	line(views, "n2", "b").Ranges[0].First = 5460
	s := Merge(views)
	checkSplit(t, s,
		"n1, n3 and n4 see slot 5460 at n1, and by the owners' word at n2",
		"n2 (epoch 2) and n1 (epoch 1) both claim slot 5460")
	if b := s.Node("n2"); !b.Slots.Has(5460) {
		t.Error("n2 has the greater epoch and not the slot")
	}
	line(views, "n2", "b").Epoch = 0
	if s = Merge(views); !s.Node("n1").Slots.Has(5460) {
		t.Error("n1 has the greater epoch and not the slot")
	}
}

func TestEqualEpochsAreTold(t *testing.T) {
	views := world(t, three)
	for _, v := range views {
		line(views, v.Place.Name, "b").Epoch = 1
	}
	checkSplit(t, Merge(views), "n1 and n2 have the same epoch 1")
}

func TestContradictionsAboutASilentOwnerAreTold(t *testing.T) {
	views := without(t, "n2")
	line(views, "n4", "b").Ranges = nil
	s := Merge(views)
	checkSplit(t, s, "n4 sees 5462 slots (5461-10922) at nobody, and by the owners' word at n2")
	if n := s.Node("n2"); n.Slots.Len() != 5462 {
		t.Errorf("n2 has %d slots", n.Slots.Len())
	}
}

func TestWhoFollowsWhomIsTold(t *testing.T) {
	views := world(t, three)
	l := line(views, "n2", "d")
	l.Flags.Replica, l.Flags.Master, l.Master = false, true, ""
	checkSplit(t, Merge(views), "to n2 n4 is a master, and it is a replica of n1")
	views = without(t, "n4")
	line(views, "n2", "d").Master = id("c")
	checkSplit(t, Merge(views), "to n2 n4 is a replica of n3, and it is a replica of n1")
}

func TestANewcomerNeedNotKnowWhoseReplicaASilentNodeIs(t *testing.T) {
	views := without(t, "n4")
	line(views, "n2", "d").Master = ""
	s := Merge(views)
	checkSplit(t, s)
	if n := s.Node("n4"); n.Master != id("a") {
		t.Errorf("n4 follows %q", n.Master)
	}
}

func TestOpenSlotsComeFromEveryOwnLine(t *testing.T) {
	views := world(t, three)
	line(views, "n1", "a").Open = []Mark{{Slot: 7, Peer: id("b")}}
	line(views, "n2", "b").Open = []Mark{{Slot: 7, Importing: true, Peer: id("a")}, {Slot: 5, Importing: true, Peer: id("9")}}
	line(views, "n4", "d").Open = []Mark{{Slot: 6, Importing: true, Peer: id("a")}}
	want := []Open{{5, "n2", id("9"), true, 0, 0}, {6, "n4", "n1", true, 0, 0}, {7, "n1", "n2", false, 0, 0}, {7, "n2", "n1", true, 0, 0}}
	if s := Merge(views); !reflect.DeepEqual(s.Open, want) {
		t.Errorf("got %+v", s.Open)
	}
}

func TestWhatAnImporterSaysOfItsSlotIsNoContradiction(t *testing.T) {
	views := world(t, three)
	line(views, "n2", "a").Ranges[0].First = 1 // a failed over and came back; b imports its slot and did not follow
	checkSplit(t, Merge(views), "n2 sees slot 0 at nobody, and by the owners' word at n1")
	line(views, "n2", "b").Open = []Mark{{Slot: 0, Importing: true, Peer: id("a")}}
	s := Merge(views)
	checkSplit(t, s)
	if a := s.Node("n1"); !a.Slots.Has(0) || len(s.Open) != 1 {
		t.Errorf("n1 is %+v, open %+v", a, s.Open)
	}
	line(views, "n2", "b").Open[0].Importing = false
	checkSplit(t, Merge(views), "n2 sees slot 0 at nobody, and by the owners' word at n1")
}

func TestANodeThatAnswersElsewhereHasMoved(t *testing.T) {
	views := world(t, three)
	views[1].Place.Addr = "10.0.9.2:6379"
	if n := Merge(views); n.Node("n2").Moved {
		t.Error("members reach it: it is only dialled another way")
	}
	line(views, "n1", "b").Linked = false
	if n := Merge(views); !n.Node("n2").Moved {
		t.Error("n1 can't reach it where it was")
	}
	views[1].Place.Addr = "10.0.0.2:6379"
	if n := Merge(views); n.Node("n2").Moved {
		t.Error("it is where it was, only unreachable")
	}
}

// A member that still has a link to a node knows it at an address that works, or
// did a moment ago. It sends clients there, and not where the node announces itself.
func TestWhoSendsClientsElsewhereThanANodeAnnounces(t *testing.T) {
	for announces, want := range map[string][]string{"": nil, "10.0.0.2": nil, "10.0.9.2": {"n1", "n3", "n4"}} {
		views := world(t, three)
		views[1].Info.Config = map[string]string{AnnounceIP: announces}
		seen := Merge(views)
		if n := seen.Node("n2"); !reflect.DeepEqual(n.Misled, want) || n.Moved || n.Unreached != nil {
			t.Errorf("it announces %q: %+v", announces, n)
		}
		if n := seen.Node("n1"); n.Misled != nil {
			t.Errorf("n1 announces nothing: %v", n.Misled)
		}
	}
}

// What a node announces wrongly comes back whatever others are told: it has not
// moved. Who has no link to it is told in any case.
func TestANodeThatNobodyReachesWhereItAnnouncesItself(t *testing.T) {
	for name, c := range map[string]struct {
		announces string
		moved     bool
	}{
		"it announces another address":                     {"192.168.0.2", false},
		"it announces nothing, and was at another address": {"", true},
	} {
		views := world(t, strings.ReplaceAll(three, "10.0.0.2:6379", "192.168.0.2:6379"))
		for _, by := range []string{"n1", "n3"} {
			line(views, by, "b").Linked = false
		}
		for i := range views {
			if views[i].Place.Name == "n2" {
				views[i].Info.Config = map[string]string{AnnounceIP: c.announces}
			}
		}
		seen := Merge(views)
		n := seen.Node("n2")
		if n.Moved != c.moved || !reflect.DeepEqual(n.Unreached, []string{"n1", "n3"}) || (n.Announced == "192.168.0.2:6379") == c.moved {
			t.Errorf("%s: %+v", name, n)
		}
		if at := seen.Node("n1"); at.Unreached != nil {
			t.Errorf("%s: n1 is not reached by %v", name, at.Unreached)
		}
	}
}
