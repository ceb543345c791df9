//go:build e2ekube

package e2ekube

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// ask sends a command to one address and gives its answer as text.
func (b *bench) ask(addr string, args ...any) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	c := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, MaxRetries: -1, Password: b.password, TLSConfig: b.secure})
	defer c.Close()
	return c.Do(ctx, args...).Text()
}

// member is a line of CLUSTER NODES.
type member struct {
	id, addr, flags, master, slots string
}

// members are what one pod says of all.
func (b *bench) members() []member {
	b.Helper()
	var out []member
	for _, addr := range b.addresses() {
		text, err := b.ask(addr, "CLUSTER", "NODES")
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			at, _, _ := strings.Cut(f[1], "@")
			out = append(out, member{f[0], at, strings.TrimPrefix(f[2], "myself,"), f[3], strings.Join(f[8:], " ")})
		}
		return out
	}
	return out
}

// shaped demands so many masters with slots and replicas, each shard spread over
// zones, and every slot served.
func (b *bench) shaped(masters, replicas int) {
	b.Helper()
	if text := b.misshape(masters, replicas); text != "" {
		b.Fatal(text)
	}
}

func (b *bench) misshape(masters, replicas int) string {
	zones, at := b.zones(), map[string]pod{}
	for _, p := range b.pods() {
		at[p.ip+":6379"] = p
	}
	shards := map[string][]string{}
	leaders := 0
	for _, m := range b.members() {
		p, ok := at[m.addr]
		switch {
		case !ok || strings.Contains(m.flags, "fail"):
			return fmt.Sprintf("member %+v is no pod", m)
		case m.master == "-" && m.slots != "":
			leaders++
			shards[m.id] = append(shards[m.id], zones[p.node])
		case m.master != "-":
			shards[m.master] = append(shards[m.master], zones[p.node])
		}
	}
	if leaders != masters || len(at) != masters*(1+replicas) {
		return fmt.Sprintf("%d masters with slots and %d pods, want %d and %d", leaders, len(at), masters, masters*(1+replicas))
	}
	for id, zones := range shards {
		seen := map[string]bool{}
		for _, z := range zones {
			if seen[z] {
				return fmt.Sprintf("shard %s has two members in zone %s", id, z)
			}
			seen[z] = true
		}
		if len(zones) != 1+replicas {
			return fmt.Sprintf("shard %s has %d members", id, len(zones))
		}
	}
	return ""
}

// traffic is a client that writes and checks all along.
type traffic struct {
	b    *bench
	held bool // what counts as written is what a replica has, too
	stop context.CancelFunc
	done chan struct{}

	mu      sync.Mutex
	acked   map[string]int // the last value that was acknowledged
	tried   map[string]int // the last that was sent
	since   time.Time      // of the last answer
	longest time.Duration  // without one
	failed  error          // why the last write was not acknowledged
	known   []string       // addresses of pods, as they were told last
}

// writes begins a client, and returns when it has written every key. Each key gets ever larger values; a value read back
// that is smaller than the last acknowledged one is a lost write.
func (b *bench) writes() *traffic { return b.traffic(false) }

// writesHeld is one whose writes count when a replica has them, too: a master that
// dies by surprise takes with it what it had not sent yet, as Redis says
// ("Redis Cluster consistency guarantees").
func (b *bench) writesHeld() *traffic { return b.traffic(true) }

func (b *bench) traffic(held bool) *traffic {
	b.Helper()
	ctx, stop := context.WithCancel(context.Background())
	tr := &traffic{b: b, held: held, stop: stop, done: make(chan struct{}), acked: map[string]int{}, tried: map[string]int{}, since: time.Now()}
	go tr.run(ctx)
	b.Cleanup(tr.stop)
	tr.wroteAll()
	return tr
}

const keys = 300

func (tr *traffic) run(ctx context.Context) {
	defer close(tr.done)
	c := tr.client()
	defer func() { c.Close() }()
	for n, failed := 1, 0; ctx.Err() == nil; n++ {
		if tr.write(ctx, c, fmt.Sprintf("key:%d", n%keys), n) != nil {
			if failed++; failed%10 == 0 { // every address it knows may be gone
				c.Close()
				c = tr.client()
			}
			time.Sleep(20 * time.Millisecond)
		} else {
			failed = 0
		}
		time.Sleep(time.Millisecond)
	}
}

// client knows the pods of now; while the API server is away, those of before.
func (tr *traffic) client() *redis.ClusterClient {
	if now := tr.b.addresses(); len(now) > 0 {
		tr.known = now
	}
	options := &redis.ClusterOptions{
		Addrs: tr.known, Protocol: 2, Password: tr.b.password, TLSConfig: tr.b.secure, MaxRedirects: 8, DialTimeout: time.Second, DialerRetries: 1, ReadTimeout: time.Second, WriteTimeout: time.Second, MaxRetries: -1,
	}
	if tr.b.named {
		options.Dialer = tr.b.dialName
	}
	return redis.NewClusterClient(options)
}

// dialName connects to a pod by its name; the testbed has no DNS that would do it.
func (b *bench) dialName(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if name, rest, _ := strings.Cut(host, "."); rest == "orders-nodes."+b.namespace+".svc" {
		host = b.pods()[name].ip
	} else if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("nobody is called %s", host)
	}
	return (&net.Dialer{Timeout: time.Second}).DialContext(ctx, network, net.JoinHostPort(host, port))
}

func (tr *traffic) write(ctx context.Context, c *redis.ClusterClient, key string, n int) error {
	tr.mu.Lock()
	tr.tried[key] = n
	tr.mu.Unlock()
	err := tr.set(ctx, c, key, n)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.failed = err; err == nil {
		tr.acked[key] = n
		tr.longest = max(tr.longest, time.Since(tr.since))
		tr.since = time.Now()
	}
	return err
}

func (tr *traffic) set(ctx context.Context, c *redis.ClusterClient, key string, n int) error {
	if err := c.Set(ctx, key, n, 0).Err(); err != nil || !tr.held {
		return err
	}
	// WAIT is about the writes of its own connection.
	master, err := c.MasterForKey(ctx, key)
	if err != nil {
		return err
	}
	conn := master.Conn()
	defer conn.Close()
	if err := conn.Set(ctx, key, n, 0).Err(); err != nil {
		return err
	}
	have, err := conn.Do(ctx, "WAIT", 1, 900).Int()
	if err == nil && have < 1 {
		err = errors.New("no replica has it yet")
	}
	return err
}

// goesOn waits until the client has an answer later than now.
func (tr *traffic) goesOn() {
	tr.b.Helper()
	now := time.Now()
	tr.b.eventually("the client is answered", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		return tr.since.After(now)
	})
}

// wroteAll waits until every key was written: a cluster serves some seconds after
// it has its shape. What matters comes after.
func (tr *traffic) wroteAll() {
	tr.b.Helper()
	defer func() {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		if len(tr.acked) < keys {
			tr.b.Logf("%d of %d keys were written, and then: %v", len(tr.acked), keys, tr.failed)
		}
	}()
	tr.b.eventually("every key was written", func() bool {
		tr.mu.Lock()
		defer tr.mu.Unlock()
		tr.longest, tr.since = 0, time.Now()
		return len(tr.acked) == keys
	})
}

// end stops the client, demands every acknowledged write, and gives the longest
// time without an answer.
func (tr *traffic) end() time.Duration {
	tr.b.Helper()
	tr.stop()
	<-tr.done
	tr.check()
	return tr.longest
}

// check reads every key back.
func (tr *traffic) check() {
	tr.b.Helper()
	c := tr.client()
	defer c.Close()
	if len(tr.acked) < keys {
		tr.b.Errorf("only %d of %d keys were ever written", len(tr.acked), keys)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for key, acked := range tr.acked {
		got, err := c.Get(ctx, key).Int()
		if err != nil || got < acked || got > tr.tried[key] {
			tr.b.Errorf("%s is %d (%v), but %d was acknowledged and %d tried last", key, got, err, acked, tr.tried[key])
		}
	}
}
