package live

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// lag is how far the replicas of a target are behind while keys arrive. A server
// cuts off a replica whose output buffer is longer than
// client-output-buffer-limit, and then sends it everything anew; so a move that
// outruns a replica costs it the keys it had, and new ones have one copy as long
// as that takes.
type lag struct {
	mu      sync.Mutex
	bound   int64           // bytes a replica may be behind
	watched map[string]bool // addresses of those that were in sync when the move began
	behind  string          // one that is further behind; "" for none
	since   time.Time       // that one is
	sent    int64           // bytes since the last look
}

const (
	// defaultLag is the soft limit that servers have by default.
	defaultLag = 64 << 20
	// lagPatience is how long keys wait for a replica that does not catch up. Who
	// is that slow is likely dead, and must not keep slots where they are.
	lagPatience = 20 * time.Second
)

// begin learns the limit of the target, and which replicas it has.
func (m *memory) begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, slack)
	defer cancel()
	v, err := m.conn.Do(ctx, "CONFIG", "GET", "client-output-buffer-limit")
	if err != nil {
		return fmt.Errorf("%s: %w", m.name, err)
	}
	m.lag.bound = defaultLag
	if row, _ := v.([]any); len(row) == 2 {
		m.lag.bound = lagBound(fmt.Sprint(row[1]))
	}
	return m.follow(ctx)
}

// lagBound is how far a replica may be behind at a server with such limits: as far
// as the soft limit, which it may exceed for a while, and half of the hard one,
// which cuts it off at once. The other half is for what comes between two looks,
// and for the replica's own word, which is up to a second old.
func lagBound(limits string) int64 {
	bound := int64(0)
	words := strings.Fields(limits)
	for i := 0; i+2 < len(words); i += 4 {
		if words[i] != "slave" && words[i] != "replica" {
			continue
		}
		hard, _ := strconv.ParseInt(words[i+1], 10, 64) // 0 is no limit
		soft, _ := strconv.ParseInt(words[i+2], 10, 64)
		bound = soft
		if hard > 0 && (soft == 0 || hard/2 < soft) {
			bound = hard / 2
		}
	}
	if bound == 0 {
		return defaultLag
	}
	return bound
}

// follow looks how far the replicas are.
func (m *memory) follow(ctx context.Context) error {
	text, err := m.info(ctx, "replication")
	if err != nil {
		return err
	}
	far := offsets(text)
	own, err := number(text, "master_repl_offset:")
	if err != nil {
		return fmt.Errorf("%s does not tell how far it is: %w", m.name, err)
	}
	l := &m.lag
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.watched == nil {
		l.watched = map[string]bool{}
		for addr := range far {
			l.watched[addr] = true
		}
	}
	was := l.behind
	l.behind, l.sent = "", 0
	for addr, offset := range far {
		if l.watched[addr] && int64(own)-offset > l.bound {
			l.behind = addr
		}
	}
	if was == "" && l.behind != "" {
		l.since = time.Now()
	}
	return nil
}

// offsets are how far the replicas are that are in sync, by address:
// slave0:ip=10.0.0.1,port=6379,state=online,offset=42,lag=0.
func offsets(text string) map[string]int64 {
	out := map[string]int64{}
	for line := range strings.Lines(text) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		words := map[string]string{}
		for _, word := range strings.Split(rest, ",") {
			key, value, _ := strings.Cut(word, "=")
			words[key] = value
		}
		offset, err := strconv.ParseInt(words["offset"], 10, 64)
		if strings.HasPrefix(name, "slave") && words["state"] == "online" && err == nil {
			out[words["ip"]+":"+words["port"]] = offset
		}
	}
	return out
}

// laggard is the replica to wait for before so many bytes more are sent, "" when
// there is none.
func (m *memory) laggard(ctx context.Context, bytes int64) string {
	l := &m.lag
	l.mu.Lock()
	l.sent += bytes
	much := l.sent > l.bound/2
	l.mu.Unlock()
	if much {
		_ = m.follow(ctx) // a target that can't be asked refuses keys as well
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.behind != "" && time.Since(l.since) < lagPatience {
		return l.behind
	}
	return ""
}

// escort waits until the replicas of the target have got nearly all that was sent.
func (w *pair) escort(ctx context.Context, now []batch) error {
	sum := int64(0)
	for _, b := range now {
		for _, n := range b.bytes {
			sum += n
		}
	}
	for waits := false; ; waits = true {
		addr := w.to.memory.laggard(ctx, sum)
		switch {
		case addr != "":
			text := fmt.Sprintf("waits for %s, a replica of %s: it is more than %d MB behind", addr, w.to.name, w.to.memory.lag.bound>>20)
			w.text.Store(&text)
		case waits:
			w.text.Store(nil)
			return nil
		default:
			return nil
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
		sum = 0
		_ = w.to.memory.follow(ctx)
	}
}
