//go:build e2ekube

package e2ekube

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// zoned looks every second, until the function that it returns is called, whether
// a shard has two members in one zone, which is a mistake at any time.
func (b *bench) zoned() (end func()) {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	zones, looks, done := b.zones(), 0, make(chan struct{})
	go func() {
		defer close(done)
		for ; ctx.Err() == nil; time.Sleep(time.Second) {
			// Members are asked one after the other, and may change in between.
			if text := b.crowded(zones); text != "" && text == b.crowded(zones) {
				b.Error(text)
			}
			looks++
		}
	}()
	b.Cleanup(func() { stop(); <-done })
	return func() {
		b.Helper()
		stop()
		if <-done; looks < 10 {
			b.Errorf("the zones were looked at only %d times", looks)
		}
	}
}

// crowded says which two members of one shard are in one zone, by what each says
// of itself; "" for none.
func (b *bench) crowded(zones map[string]string) string {
	taken := map[string]string{} // by shard and zone
	for name, p := range b.pods() {
		shard := b.shardOf(p)
		place := shard + " " + zones[p.node]
		if other := taken[place]; shard != "" && other != "" {
			return fmt.Sprintf("%s and %s are of one shard and in one zone: %s", min(other, name), max(other, name), zones[p.node])
		}
		taken[place] = name
	}
	return ""
}

// shardOf is the ID of the master that a pod is or follows; "" when it does not say.
func (b *bench) shardOf(p pod) string {
	text, _ := b.ask(p.ip+":6379", "CLUSTER", "NODES")
	for line := range strings.Lines(text) {
		switch f := strings.Fields(line); {
		case !strings.Contains(f[2], "myself"):
		case f[3] != "-":
			return f[3]
		default:
			return f[0]
		}
	}
	return ""
}
