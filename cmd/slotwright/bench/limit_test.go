//go:build bench

package bench

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
	"github.com/slotwright/slotwright/spec/slot"
)

// BenchmarkLimit measures what the servers can do when nobody asks them for
// anything but MIGRATE: each of three masters sends a quarter of its slots to a
// fourth, or a fourth sends all it has to the three; one command a slot, window
// commands in one go. Slots were marked and keys listed before the clock runs,
// nothing is counted or handed over, and there are no clients.
func BenchmarkLimit(b *testing.B) {
	for _, window := range []int{1, 16} {
		b.Run(fmt.Sprintf("three sources, %d", window), func(b *testing.B) {
			limit(b, window, 3, func(p *place) (streams [3]stream) {
				p.join()
				for i := range streams {
					streams[i] = stream{i, p.list(i, part(p.owned(i), 0, 4), 3)}
				}
				return streams
			})
		})
		b.Run(fmt.Sprintf("one source, %d", window), func(b *testing.B) {
			limit(b, window, 4, func(p *place) (streams [3]stream) {
				for i := range streams {
					streams[i] = stream{3, p.list(3, part(p.owned(3), i, 3), i)}
				}
				return streams
			})
		})
	}
}

// stream is what one server sends to one other.
type stream struct {
	from int
	cmds [][]any
}

// limit sends three streams at once in a cluster of so many masters.
func limit(b *testing.B, window, masters int, prepare func(*place) [3]stream) {
	for b.Loop() {
		p := newPlace(b, livetest.Options{Servers: 4, Config: map[string]string{"appendonly": "no", "cluster-node-timeout": "15000"}})
		p.slotwright("apply", p.file(masters, 0, usual), "--auto-approve")
		p.fleet.Write(b, keys(), size)
		streams, moved, slots := prepare(p), 0, 0
		cpu := p.fleet.CPU()
		var all sync.WaitGroup
		took := timed(func() {
			for _, s := range streams {
				all.Go(func() { p.flood(s.from, s.cmds, window) })
			}
			all.Wait()
		})
		cpu = p.fleet.CPU() - cpu
		for _, s := range streams {
			slots += len(s.cmds)
			for _, cmd := range s.cmds {
				moved += len(cmd) - unkeyed
			}
		}
		results.remark("%s: bare MIGRATE of %d keys in %d slots, so many slots in one go: %s, servers' processor time %s, %s a key",
			b.Name(), moved, slots, human(took), human(cpu), human(cpu/time.Duration(moved)))
	}
}

// unkeyed are the words of a MIGRATE before its keys.
const unkeyed = 7

// list marks slots of one server for another and makes one MIGRATE a slot.
func (p *place) list(from int, slots slot.Set, to int) (cmds [][]any) {
	p.b.Helper()
	a, z := p.client(from), p.client(to)
	host, port, _ := strings.Cut(p.fleet.Servers[to].Addr, ":")
	source, target := p.id(from), p.id(to)
	for s := range slots.Each() {
		ctx := p.b.Context()
		if err := z.Do(ctx, "CLUSTER", "SETSLOT", s, "IMPORTING", source).Err(); err != nil {
			p.b.Fatal(err)
		}
		if err := a.Do(ctx, "CLUSTER", "SETSLOT", s, "MIGRATING", target).Err(); err != nil {
			p.b.Fatal(err)
		}
		found, err := a.ClusterGetKeysInSlot(ctx, s, 1<<20).Result()
		if err != nil {
			p.b.Fatal(err)
		}
		cmd := []any{"MIGRATE", host, port, "", 0, 60000, "KEYS"}
		for _, key := range found {
			cmd = append(cmd, key)
		}
		if len(found) > 0 {
			cmds = append(cmds, cmd)
		}
	}
	return cmds
}

// flood sends the commands, so many in one go.
func (p *place) flood(from int, cmds [][]any, window int) {
	c := p.client(from)
	for len(cmds) > 0 {
		n := min(window, len(cmds))
		_, err := c.Pipelined(p.b.Context(), func(pipe redis.Pipeliner) error {
			for _, cmd := range cmds[:n] {
				pipe.Do(p.b.Context(), cmd...)
			}
			return nil
		})
		if err != nil {
			p.b.Errorf("migrate from %d: %v", from, err)
			return
		}
		cmds = cmds[n:]
	}
}
