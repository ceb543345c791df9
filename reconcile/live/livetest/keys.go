package livetest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
)

// batch is how many commands go in one pipeline.
const batch = 1000

// key and value of number i. The value names its key and is size bytes long,
// at least as long as the key.
func keyOf(i int) string { return fmt.Sprintf("key:%d", i) }

func valueOf(i, size int) string {
	value := keyOf(i) + "="
	return value + strings.Repeat("x", max(0, size-len(value)))
}

// Write writes n keys with values of size bytes into the cluster.
func (f *Fleet) Write(t testing.TB, n, size int) {
	t.Helper()
	f.inBatches(t, n, func(p redis.Pipeliner, i int) { p.Set(context.Background(), keyOf(i), valueOf(i, size), 0) },
		func(int, redis.Cmder) {})
}

// Read demands every key that Write has written, with its value.
func (f *Fleet) Read(t testing.TB, n, size int) {
	t.Helper()
	f.inBatches(t, n, func(p redis.Pipeliner, i int) { p.Get(context.Background(), keyOf(i)) },
		func(i int, cmd redis.Cmder) {
			if got := cmd.(*redis.StringCmd).Val(); got != valueOf(i, size) {
				t.Fatalf("%s is %q, want %q", keyOf(i), got, valueOf(i, size))
			}
		})
}

func (f *Fleet) inBatches(t testing.TB, n int, add func(redis.Pipeliner, int), answer func(int, redis.Cmder)) {
	t.Helper()
	c := f.Cluster()
	defer c.Close()
	for first := 0; first < n; first += batch {
		p := c.Pipeline()
		for i := first; i < min(first+batch, n); i++ {
			add(p, i)
		}
		cmds, err := p.Exec(context.Background())
		if err != nil {
			t.Fatalf("keys from %d on: %v", first, err)
		}
		for i, cmd := range cmds {
			answer(first+i, cmd)
		}
	}
}

// Keys counts the keys of every database of every running master.
func (f *Fleet) Keys(t testing.TB) int {
	t.Helper()
	total := 0
	for _, s := range f.running() {
		c := f.Client(s)
		info, err := c.Info(context.Background(), "replication", "keyspace").Result()
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if !strings.Contains(info, "role:master") {
			continue
		}
		for line := range strings.SplitSeq(info, "\n") {
			var db, keys int
			if _, err := fmt.Sscanf(line, "db%d:keys=%d,", &db, &keys); err == nil {
				total += keys
			}
		}
	}
	return total
}
