//go:build e2ekube

package e2ekube

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// pair are two daemons with one Lease, each with a state directory of its own, as
// on two machines. One that ends is started again, as a kubelet does it.
type pair struct {
	b       *bench
	r       *repository
	deeds   map[string]int
	done    chan struct{}
	running sync.WaitGroup

	mu      sync.Mutex
	daemons [2]*daemon
	logs    []*log // of those that ended, too
	over    bool
}

func (b *bench) pair(r *repository) *pair {
	p := &pair{b: b, r: r, deeds: map[string]int{}, done: make(chan struct{})}
	for i := range p.daemons {
		d := p.start(i)
		p.running.Go(func() {
			for ; d != nil; d = p.start(i) {
				_ = d.Wait()
				time.Sleep(time.Second) // nor does a kubelet do it at once
			}
		})
	}
	b.Cleanup(func() {
		p.end()
		if b.Failed() {
			for i, l := range p.logs {
				b.Logf("daemon %d said:\n%s", i, l)
			}
		}
	})
	return p
}

// start starts daemon i; nil when none is to run any more.
func (p *pair) start(i int) *daemon {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	d := p.b.daemon(p.r, "--lease", p.b.namespace+"/slotwright")
	d.Env = append(d.Env, "SLOTWRIGHT_STATE_DIR="+filepath.Join(p.b.dir, fmt.Sprintf("state-%d", i)))
	if err := d.Start(); err != nil {
		p.b.Errorf("start a daemon: %v", err)
		return nil
	}
	p.daemons[i], p.logs = d, append(p.logs, d.log)
	return d
}

// now are the daemons of this moment.
func (p *pair) now() [2]*daemon {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.daemons
}

func (p *pair) end() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	for _, d := range p.now() {
		_ = d.Process.Signal(syscall.SIGTERM)
		defer time.AfterFunc(patience, func() { _ = d.Process.Kill() }).Stop()
	}
	p.running.Wait()
}

// leads waits until one of the daemons leads and has looked at the cluster: on a
// busy machine that alone takes longer than some live.
func (p *pair) leads(stop <-chan struct{}) {
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		for _, d := range p.now() {
			text := d.log.String()
			looked := strings.Contains(text, "msg=planned") || strings.Contains(text, `msg="pass ended"`)
			if runs := d.Process.Signal(syscall.Signal(0)) == nil; runs && looked {
				return
			}
		}
		select {
		case <-stop:
			return
		default:
		}
	}
}

// torment kills a daemon some seconds after one has looked, or has it stand still for
// longer than its Lease lasts and then go on, until stop is closed.
func (p *pair) torment(random *rand.Rand, stop <-chan struct{}) {
	defer close(p.done)
	waits := func(least, most int) (over bool) {
		select {
		case <-stop:
			return true
		case <-time.After(time.Duration(least+random.IntN(most-least)) * time.Second):
			return false
		}
	}
	for p.leads(stop); !waits(2, 25); p.leads(stop) {
		i := random.IntN(len(p.daemons))
		d := p.now()[i]
		if random.IntN(4) == 0 {
			p.deeds["stood still"]++
			_ = d.Process.Signal(syscall.SIGSTOP)
			over := waits(17, 22)
			_ = d.Process.Signal(syscall.SIGCONT)
			if over {
				return
			}
			continue
		}
		p.deeds["killed"]++
		_ = d.Process.Kill()
	}
}

// A daemon that stood still finds when it goes on that another one leads.
func TestDaemonsThatAreKilledAndStandStillAtRandomReachWhatEveryCommitSays(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	b := newBench(t)
	r := b.repository()
	r.commit(b.topology(3, 1))
	p := b.pair(r)
	b.reaches(3, 1)
	client, zones := b.writes(), b.zoned()
	stop := make(chan struct{})
	go p.torment(rand.New(rand.NewPCG(seed, 0)), stop)
	t.Cleanup(func() { // before the daemons are told to end
		select {
		case <-stop:
		default:
			close(stop)
		}
		<-p.done
	})

	for _, masters := range []int{4, 3, 5, 3} {
		r.commit(b.topology(masters, 1))
		b.reachesWithin(2*patience, masters, 1)
	}
	r.commit(b.topology(3, 1, "redis:7.0", "redis:8.0"))
	b.eventuallyWithin(2*patience, "every pod has the new image", func() bool {
		n := 0
		for _, pod := range b.pods() {
			if pod.image == "redis:8.0" {
				n++
			}
		}
		return n == 6
	})
	b.reachesWithin(2*patience, 3, 1)
	close(stop)
	<-p.done
	b.reaches(3, 1)
	zones()
	t.Logf("daemons %v; longest time without an answer: %s", p.deeds, client.end())
	led := 0
	p.end()
	for _, l := range p.logs {
		if strings.Contains(l.String(), "msg=following") {
			led++
		}
	}
	if p.deeds["killed"] == 0 || led < 2 {
		t.Errorf("%v, and %d led: nothing was tried", p.deeds, led)
	}
}
