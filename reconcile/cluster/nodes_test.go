package cluster

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/slotwright/slotwright/spec/slot"
)

const (
	idA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestLinesAreReadAsServersPrintThem(t *testing.T) {
	me := Line{
		ID: idA, Host: "10.0.0.1", Port: 6379, Bus: 16379, Flags: Flags{Myself: true, Master: true},
		Epoch: 1, Linked: true,
	}
	with := func(change func(*Line)) Line {
		l := me
		change(&l)
		return l
	}
	for name, c := range map[string]struct {
		text string
		want Line
	}{
		"a master with ranges": {
			idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0-5460 7000",
			with(func(l *Line) { l.Ranges = []slot.Range{{First: 0, Last: 5460}, {First: 7000, Last: 7000}} }),
		},
		"nobody met yet, no host": {
			idA + " :6379@16379 myself,master - 0 0 1 connected",
			with(func(l *Line) { l.Host = "" }),
		},
		"IPv6 without brackets": {
			idA + " 2001:db8::1:6379@16379 myself,master - 0 0 1 connected",
			with(func(l *Line) { l.Host = "2001:db8::1" }),
		},
		"a host name": {
			idA + " 10.0.0.1:6379@16379,host-1.example.com myself,master - 0 0 1 connected",
			with(func(l *Line) { l.Name = "host-1.example.com" }),
		},
		"a host name and auxiliary fields": {
			idA + " 10.0.0.1:6379@16379,host-1,tls-port=0,shard-id=" + idB + " myself,master - 0 0 1 connected",
			with(func(l *Line) { l.Name = "host-1" }),
		},
		"auxiliary fields after an empty host name": {
			idA + " 10.0.0.1:6379@16379,,tls-port=6380,shard-id=" + idB + " myself,master - 0 0 1 connected",
			me,
		},
		"auxiliary fields in the place of the host name": {
			idA + " 10.0.0.1:6379@16379,shard-id=" + idB + " myself,master - 0 0 1 connected",
			me,
		},
		"a replica that must not fail over": {
			idA + " 10.0.0.1:6379@16379 myself,slave,nofailover " + idB + " 0 0 1 connected",
			with(func(l *Line) { l.Flags = Flags{Myself: true, Replica: true}; l.Master = idB }),
		},
		"open slots": {
			idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 0 [0->-" + idB + "] [93-<-" + idB + "]",
			with(func(l *Line) {
				l.Ranges = []slot.Range{{First: 0, Last: 0}}
				l.Open = []Mark{{Slot: 0, Peer: idB}, {Slot: 93, Importing: true, Peer: idB}}
			}),
		},
		"a verbatim string and carriage returns": {
			"txt:" + idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected 5\r\n",
			with(func(l *Line) { l.Ranges = []slot.Range{{First: 5, Last: 5}} }),
		},
		"a flag of a server to come": {
			idA + " 10.0.0.1:6379@16379 myself,master,glowing - 0 0 1 connected",
			me,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseNodes(c.text)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != 1 || !reflect.DeepEqual(got[0], c.want) {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}

func TestFlagsOfOthers(t *testing.T) {
	lines, err := ParseNodes(idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected\n" +
		idB + " :0@0 slave,fail?,fail,handshake,noaddr - 0 0 7 disconnected\n")
	if err != nil {
		t.Fatal(err)
	}
	want := Flags{Replica: true, PFail: true, Fail: true, Handshake: true, NoAddr: true}
	if b := lines[1]; b.Flags != want || b.Linked || b.Epoch != 7 || b.Port != 0 {
		t.Errorf("got %+v", b)
	}
}

func TestWrongLinesAreRefusedWithTheLine(t *testing.T) {
	good := idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1 connected"
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                    {"", "0 lines say myself"},
		"two lines say myself":       {good + "\n" + strings.Replace(good, idA, idB, 1), "2 lines say myself"},
		"one ID twice":               {good + "\n" + strings.Replace(good, "myself,", "", 1), "named twice"},
		"too few fields":             {idA + " 10.0.0.1:6379@16379 myself,master - 0 0 1", "7 fields"},
		"a short ID":                 {good[1:], "40 hex digits"},
		"an ID that is not hex":      {"z" + good[1:], "40 hex digits"},
		"no port":                    {strings.Replace(good, ":6379@16379", "", 1), "not an address"},
		"a port out of range":        {strings.Replace(good, ":6379", ":66000", 1), "not a port"},
		"a bus port that is no port": {strings.Replace(good, "@16379", "@x", 1), "not a port"},
		"a master that is no ID":     {strings.Replace(good, " - ", " n1 ", 1), "the master is not"},
		"an epoch that is no number": {strings.Replace(good, " 1 conn", " -1 conn", 1), "not an epoch"},
		"a slot out of range":        {good + " 16384", "are not slots"},
		"a range out of range":       {good + " 0-99999", "are not slots"},
		"a reversed range":           {good + " 9-3", "are not slots"},
		"a range without end":        {good + " 3-", "are not slots"},
		"overlapping ranges":         {good + " 0-9 9-12", "out of order"},
		"an open slot out of range":  {good + " [99999->-" + idB + "]", "not an open slot"},
		"an open slot to no ID":      {good + " [9->-n2]", "not an open slot"},
		"an open slot cut short":     {good + " [9->-" + idB, "not an open slot"},
		"an open slot of another": {good + "\n" + idB + " 10.0.0.2:6379@16379 master - 0 0 2 connected [9->-" + idA + "]",
			"is not myself"},
	} {
		t.Run(name, func(t *testing.T) {
			lines, err := ParseNodes(c.text)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
			if lines != nil {
				t.Error("lines came back with the error")
			}
		})
	}
}

// seeds are whole answers of servers: captured from Redis 7.0, and in the form
// the documentation of Redis 8 and Valkey 8 and 9 gives.
func seeds(t testing.TB) map[string]string {
	files, err := filepath.Glob("testdata/nodes/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no captured answers: %v", err)
	}
	out := map[string]string{}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = string(text)
	}
	return out
}

func TestCapturedAnswersAreRead(t *testing.T) {
	for name, text := range seeds(t) {
		lines, err := ParseNodes(text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got, want := len(lines), strings.Count(strings.TrimSpace(text), "\n")+1; got != want {
			t.Errorf("%s: %d lines, want %d", name, got, want)
		}
	}
}

func FuzzParseNodes(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Add(idA + " :0@0 myself,master - 0 0 0 connected [99999->-" + idB + "]")
	f.Fuzz(func(t *testing.T, text string) {
		lines, err := ParseNodes(text)
		if err != nil {
			if lines != nil {
				t.Fatal("lines came back with an error")
			}
			return
		}
		again, err := ParseNodes(printLines(lines))
		if err != nil {
			t.Fatalf("what was read does not read again: %v\n%s", err, printLines(lines))
		}
		if !reflect.DeepEqual(lines, again) {
			t.Fatalf("read %+v\nthen %+v", lines, again)
		}
		Merge([]View{{Place: Place{Name: "n0", Addr: "10.0.0.1:6379", Listed: true}, Lines: lines}})
	})
}
