package live

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// markers are connections that note which of them each slot came over, and
// refuse slot 37.
type markers struct {
	mu    sync.Mutex
	conns int
	over  map[any]int
}

type marker struct {
	*markers
	n int
}

func (m *markers) dial(string) Conn {
	m.conns++
	return marker{m, m.conns}
}

func (m marker) Do(context.Context, ...any) (any, error) { return nil, nil }
func (m marker) Close() error                            { return nil }

func (m marker) Pipe(_ context.Context, cmds [][]any) []Reply {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]Reply, len(cmds))
	for i, c := range cmds {
		m.over[c[2]] = m.n
		if c[2] == 37 {
			out[i].Err = ServerError("ERR no")
		}
	}
	return out
}

func TestMarksGoAbreastWhereReplicasAgreeToEach(t *testing.T) {
	slots := make([]int, 100)
	for i := range slots {
		slots[i] = i
	}
	for _, c := range []struct {
		name, version, follows string
		want                   int
	}{
		{"valkey", "8.0.1", "id", 15}, // 100 marks, 7 each
		{"valkey", "9.1.2", "id", 15},
		{"valkey", "8.0.1", "other", 1},
		{"valkey", "7.2.4", "id", 1},
		{"redis", "8.0.2", "id", 1},
	} {
		m := &markers{over: map[any]int{}}
		p := (&mover{dial: m.dial, seen: cluster.State{Nodes: []cluster.Node{
			{Name: "n0", ID: "id", Addr: "10.0.0.1:6379", Server: cluster.Server{Name: c.name, Version: c.version}},
			{Name: "n1", ID: "replica", Master: c.follows},
		}}}).gather()
		e, err := p.end("n0")
		if err != nil {
			t.Fatal(err)
		}
		for i, err := range e.setSlots(context.Background(), slots, "STABLE") {
			if (err != nil) != (i == 37) {
				t.Errorf("%v: slot %d: %v", c, i, err)
			}
		}
		used := map[int]bool{}
		for _, n := range m.over {
			used[n] = true
		}
		if len(m.over) != len(slots) || len(used) != c.want {
			t.Errorf("%s: %d slots marked over %d connections, want %d", fmt.Sprint(c), len(m.over), len(used), c.want)
		}
	}
}
