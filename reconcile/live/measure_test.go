package live

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/slotwright/slotwright/reconcile/cluster"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// scripted answers the commands of Measure as one server would.
type scripted struct {
	Conn
	stats  func(first, last int) Reply // of SLOT-STATS
	counts map[int]int64
	weighs Reply // of MEMORY USAGE
	sent   []string
}

func (s *scripted) Do(ctx context.Context, args ...any) (any, error) {
	r := s.Pipe(ctx, [][]any{args})[0]
	return r.Value, r.Err
}

func (s *scripted) Close() error { return nil }

func (s *scripted) Pipe(_ context.Context, cmds [][]any) []Reply {
	out := make([]Reply, len(cmds))
	for i, cmd := range cmds {
		name := fmt.Sprint(cmd[0])
		if len(cmd) > 1 {
			name = fmt.Sprint(cmd[0], " ", cmd[1])
		}
		s.sent = append(s.sent, name)
		switch name {
		case "INFO keyspace":
			out[i].Value = "# Keyspace\r\ndb0:keys=30,expires=0\r\n"
		case "CLUSTER SLOT-STATS":
			out[i] = s.stats(cmd[3].(int), cmd[4].(int))
		case "CLUSTER COUNTKEYSINSLOT":
			out[i].Value = s.counts[cmd[2].(int)]
		case "CLUSTER GETKEYSINSLOT":
			out[i].Value = []any{fmt.Sprint("key of ", cmd[2])}
		default:
			if cmd[0] == "MEMORY" {
				out[i] = s.weighs
			}
		}
	}
	return out
}

func row(s int, metrics ...any) any { return []any{int64(s), metrics} }

func refusedTo(what string) Reply { return Reply{Err: ServerError(what)} }

func TestAServerIsAskedWhatItCanTell(t *testing.T) {
	unknown := func(int, int) Reply { return refusedTo("ERR unknown subcommand 'SLOT-STATS'") }
	both := map[int]int64{5: 10, 7: 20}
	for name, c := range map[string]struct {
		server scripted
		want   map[int]cluster.Weight
		never  string // a command that is not sent
	}{
		"memory by slot": {
			scripted{stats: func(first, _ int) Reply {
				return Reply{Value: []any{row(first, "key-count", int64(first), "memory-bytes", int64(100*first))}}
			}},
			map[int]cluster.Weight{5: {Keys: 5, Bytes: 500}, 7: {Keys: 7, Bytes: 700}}, "MEMORY USAGE",
		},
		"keys by slot": {
			scripted{stats: func(first, _ int) Reply { return Reply{Value: []any{row(first, "key-count", both[first])}} }, weighs: Reply{Value: int64(50)}},
			map[int]cluster.Weight{5: {Keys: 10, Bytes: 500}, 7: {Keys: 20, Bytes: 1000}}, "CLUSTER COUNTKEYSINSLOT",
		},
		"no statistics": {
			scripted{stats: unknown, counts: both, weighs: Reply{Value: int64(50)}},
			map[int]cluster.Weight{5: {Keys: 10, Bytes: 500}, 7: {Keys: 20, Bytes: 1000}}, "",
		},
		"statistics of another shape": {
			scripted{stats: func(int, int) Reply { return Reply{Value: []any{"5", row(7, "key-count", "many")}} }, counts: both, weighs: Reply{Value: int64(50)}},
			map[int]cluster.Weight{5: {Keys: 10, Bytes: 500}, 7: {Keys: 20, Bytes: 1000}}, "",
		},
		"a slot has left": {
			scripted{stats: func(int, int) Reply { return Reply{Value: []any{}} }, counts: both, weighs: Reply{Value: int64(50)}},
			map[int]cluster.Weight{5: {Keys: 10, Bytes: 500}, 7: {Keys: 20, Bytes: 1000}}, "",
		},
		"a login that may not weigh": {
			scripted{stats: unknown, counts: both, weighs: refusedTo("NOPERM")},
			map[int]cluster.Weight{5: {Keys: 10, Bytes: cluster.Unknown}, 7: {Keys: 20, Bytes: cluster.Unknown}}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			slots := ranged(5, 5).Union(ranged(7, 7))
			seen := cluster.State{Nodes: []cluster.Node{
				{Name: "a", Addr: "a:1", Member: true, Slots: ranged(0, 99), Memory: cluster.Memory{Used: 1 << 20}},
				{Name: "b", Addr: "b:1", Member: true, Health: cluster.Silent},
			}}
			server := c.server
			m := open(t, &inventory{}, Access{})
			m.dial = func(string) Conn { return &server }
			got := m.Measure(t.Context(), seen, []plan.Step{{Kind: plan.Move, From: "a", To: "b", Slots: slots}})
			if fmt.Sprint(got.Weights) != fmt.Sprint(c.want) {
				t.Errorf("got %v, want %v", got.Weights, c.want)
			}
			if slices.Contains(server.sent, c.never) {
				t.Errorf("it was asked %q", server.sent)
			}
		})
	}
}
