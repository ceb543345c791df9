//go:build bench

package bench

import (
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/slotwright/slotwright/reconcile/live/livetest"
)

// BenchmarkLimit measures what the servers can do when nobody asks them for
// anything but MIGRATE: each of three masters sends a quarter of its slots to a
// fourth, one command a slot, window commands in one go. Slots were marked and
// keys listed before the clock runs, nothing is counted or handed over, and
// there are no clients.
func BenchmarkLimit(b *testing.B) {
	for _, window := range []int{1, 16} {
		b.Run(strconv.Itoa(window), func(b *testing.B) {
			for b.Loop() {
				p := newPlace(b, livetest.Options{Servers: 4, Config: map[string]string{"appendonly": "no", "cluster-node-timeout": "15000"}})
				p.slotwright("apply", p.file(3, 0, usual), "--auto-approve")
				p.fleet.Write(b, keys(), size)
				p.join()
				var lists [3][][]any
				for i := range lists {
					lists[i] = p.list(i, 3)
				}
				cpu := p.fleet.CPU()
				var all sync.WaitGroup
				took := timed(func() {
					for i, cmds := range lists {
						all.Go(func() { p.flood(i, cmds, window) })
					}
					all.Wait()
				})
				cpu = p.fleet.CPU() - cpu
				moved, slots := p.count(3), len(lists[0])+len(lists[1])+len(lists[2])
				results.remark("bare MIGRATE of %d keys in %d slots, %d slots in one go: %s, servers' processor time %s, %s a key",
					moved, slots, window, human(took), human(cpu), human(cpu/time.Duration(moved)))
			}
		})
	}
}

// list marks a quarter of the slots of one server for another and makes one
// MIGRATE a slot.
func (p *place) list(from, to int) (cmds [][]any) {
	p.b.Helper()
	a, z := p.client(from), p.client(to)
	host, port, _ := strings.Cut(p.fleet.Servers[to].Addr, ":")
	source, target := p.id(from), p.id(to)
	for s := range part(p.owned(from), 0, 4).Each() {
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

// count is how many keys a server holds.
func (p *place) count(i int) int64 {
	p.b.Helper()
	n, err := p.client(i).DBSize(p.b.Context()).Result()
	if err != nil {
		p.b.Fatal(err)
	}
	return n
}
