package live

import (
	"fmt"
	"sync"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
)

// Portions that are handed over at the same time all ask the same members
// whether they have learnt of it, and nobody may have been asked before.
func TestPortionsThatRunAtOnceShareTheirConnections(t *testing.T) {
	const nodes, portions = 200, 8
	var seen cluster.State
	for i := range nodes {
		name := fmt.Sprint("n", i)
		seen.Nodes = append(seen.Nodes, cluster.Node{Name: name, ID: name, Addr: name + ":1"})
	}
	var mu sync.Mutex
	dialled := map[string]int{}
	dial := func(addr string) Conn {
		mu.Lock()
		defer mu.Unlock()
		dialled[addr]++
		return marker{}
	}
	p := (&mover{dial: dial, seen: seen}).gather()
	got := make([][]*end, portions)
	var all sync.WaitGroup
	for i := range portions {
		all.Go(func() {
			for k := range seen.Nodes {
				e, err := p.end(seen.Nodes[k].Name)
				if err != nil {
					t.Error(err)
				}
				got[i] = append(got[i], e)
			}
		})
	}
	all.Wait()
	for k, n := range seen.Nodes {
		for i := range got {
			if got[i][k] == nil || got[i][k] != got[0][k] || dialled[n.Addr] != 1 {
				t.Fatalf("portion %d has another connection to %s, which was dialled %d times", i, n.Name, dialled[n.Addr])
			}
		}
	}
}
