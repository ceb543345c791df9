package cluster

import (
	"fmt"
	"testing"

	"github.com/slotwright/slotwright/spec/slot"
)

// texts are the answers of n nodes, half of them masters, at rest.
func texts(n int) []string {
	masters := n / 2
	lines := make([]Line, n)
	for i := range lines {
		l := Line{ID: fmt.Sprintf("%040x", i), Host: fmt.Sprintf("10.0.%d.%d", i/250, i%250), Port: 6379, Bus: 16379, Linked: true}
		if m := i % masters; i < masters {
			l.Flags.Master, l.Epoch = true, uint64(m+1)
			l.Ranges = []slot.Range{{First: slot.Count * m / masters, Last: slot.Count*(m+1)/masters - 1}}
		} else {
			l.Flags.Replica, l.Master, l.Epoch = true, fmt.Sprintf("%040x", m), uint64(m+1)
		}
		lines[i] = l
	}
	out := make([]string, n)
	for i := range out {
		lines[i].Flags.Myself = true
		out[i] = printLines(lines)
		lines[i].Flags.Myself = false
	}
	return out
}

func parseAll(tb testing.TB, texts []string) []View {
	views := make([]View, len(texts))
	for i, text := range texts {
		lines, err := ParseNodes(text)
		if err != nil {
			tb.Fatal(err)
		}
		name, host := fmt.Sprintf("n%d", i), fmt.Sprintf("10.0.%d.%d", i/250, i%250)
		views[i] = View{Place: Place{Name: name, Host: host, Addr: host + ":6379", Listed: true, Exists: true}, Lines: lines}
	}
	return views
}

func TestAHundredNodesAtRestAgree(t *testing.T) {
	s := Merge(parseAll(t, texts(100)))
	checkSplit(t, s)
	if left := s.Unserved(); len(s.Nodes) != 100 || !left.Empty() {
		t.Errorf("%d nodes, %s unserved", len(s.Nodes), left)
	}
}

// BenchmarkParseAndMerge is all that a pass does with the answers of n nodes.
func BenchmarkParseAndMerge(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		answers := texts(n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Merge(parseAll(b, answers))
			}
		})
	}
}

// BenchmarkMergeLagging is the same while every fourth node still sees an old
// owner of one slot.
func BenchmarkMergeLagging(b *testing.B) {
	views := parseAll(b, texts(100))
	for i := range views {
		if i%4 == 3 {
			views[i].Lines[0].Ranges = []slot.Range{{First: 1, Last: views[i].Lines[0].Ranges[0].Last}}
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		Merge(views)
	}
}
