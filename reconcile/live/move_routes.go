package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slotwright/slotwright/reconcile/plan"
)

const (
	atOnceFrom = 2 // portions of one source: while one is handed over the next is sent
	atOnceTo   = 6 // portions of one target: it waits for one or the other source
	reports    = 250 * time.Millisecond
)

// route is one Move step under way.
type route struct {
	*pair
	step     plan.Step
	portions [][]int // what was not begun, ascending
	left     int     // slots that have not arrived
}

// route reaches both ends of a step and cuts its slots into portions.
func (p *party) route(ctx context.Context, s plan.Step) (*route, error) {
	w, err := p.pair(ctx, s.From, s.To)
	if err != nil {
		return nil, err
	}
	if err := w.copyFunctions(ctx); err != nil {
		return nil, err
	}
	slots := slices.Collect(s.Slots.Each())
	counts, err := w.from.count(ctx, slots)
	if err != nil {
		return nil, err
	}
	for i, n := range counts {
		if n >= int64(w.from.listed()) {
			w.combed.want = append(w.combed.want, slots[i])
		}
	}
	return &route{pair: w, step: s, portions: portion(slots, counts, worth(p.budget)), left: len(slots)}, nil
}

// rank has all targets outrank all sources before the first slot moves, so that
// no target takes the epoch of another one's source. And it makes sure that all run
// the scripts that hand slots over, or slots would be emptied and stay half moved.
func (p *party) rank(ctx context.Context, routes []*route) error {
	var sources, targets []*end
	for _, r := range routes {
		sources, targets = append(sources, r.from), append(targets, r.to)
	}
	for _, e := range slices.Concat(sources, targets) {
		if err := e.firm(ctx, "", "", [][]any{{"CLUSTER", "MYID"}})[0].Err; err != nil {
			return fmt.Errorf("%s: %w", e.name, err)
		}
	}
	return p.outrank(ctx, sources, targets)
}

// portion cuts slots into portions that are open together, of at most so many
// keys where a slot does not hold more by itself: little is half-moved at any
// time. Empty slots go in large portions.
func portion(slots []int, counts []int64, keys int64) [][]int {
	const width = 128
	var out [][]int
	var sum int64
	for i, s := range slots {
		if last := len(out) - 1; last >= 0 && sum+counts[i] <= keys && len(out[last]) < width {
			out[last] = append(out[last], s)
		} else {
			out, sum = append(out, []int{s}), 0
		}
		sum += counts[i]
	}
	return out
}

// worth is how many keys a portion has. Each one costs about thirty requests to three
// masters and every member a new nodes.conf on its disk, whatever it brings, so it is
// to bring much. But little is half moved when a run dies, and a small budget leaves a
// server less time to list keys in one go (listed).
func worth(budget time.Duration) int64 {
	return min(max(budget.Microseconds()/2, 1000), 8000)
}

// arrival is the end of one portion: how many of its slots have arrived.
type arrival struct {
	route *route
	slots int
	err   error
}

// run moves all routes at once, as many portions as the ends can bear. A slot that
// is held keeps no other from moving. After any other error nothing new is begun
// and what runs is finished; when ctx ends, what runs stops after the burst in
// flight.
func (p *party) run(ctx context.Context, routes []*route) error {
	arrivals, busy := make(chan arrival), map[*end]int{}
	tick := time.NewTicker(reports)
	defer tick.Stop()
	var failed, held error
	for {
		for r := next(routes, busy); r != nil && failed == nil && ctx.Err() == nil; r = next(routes, busy) {
			slots := r.portions[0]
			r.portions = r.portions[1:]
			busy[r.from]++
			busy[r.to]++
			go func() {
				moved, err := r.begin(ctx, slots)
				arrivals <- arrival{r, moved, err}
			}()
		}
		if idle(busy) {
			return errors.Join(failed, held, ctx.Err())
		}
		select {
		case a := <-arrivals:
			busy[a.route.from]--
			busy[a.route.to]--
			a.route.left -= a.slots
			if err := a.route.why(a.err); isHeld(err) {
				held = errors.Join(held, err)
			} else {
				failed = errors.Join(failed, err)
			}
			if a.route.left == 0 {
				p.say(a.route.progress())
			}
		case <-tick.C:
			for _, r := range routes {
				if r.left > 0 {
					p.say(r.progress())
				}
			}
		}
	}
}

// why is an error of a portion with the step it is of.
func (r *route) why(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("move %s to %s: %w", r.step.From, r.step.To, err)
}

// isHeld says that an error is made of holds only.
func isHeld(err error) bool {
	_, all := plan.HoldsOf(err)
	return all
}

// next is the route to take a portion from: of those whose ends are free, one
// whose busier end has most slots left, for that end decides when all is done.
func next(routes []*route, busy map[*end]int) *route {
	load := map[*end]int{}
	for _, r := range routes {
		load[r.from] += r.left
		load[r.to] += r.left
	}
	var best *route
	for _, r := range routes {
		if len(r.portions) == 0 || busy[r.from] >= atOnceFrom || busy[r.to] >= atOnceTo {
			continue
		}
		if best == nil || max(load[r.from], load[r.to]) > max(load[best.from], load[best.to]) {
			best = r
		}
	}
	return best
}

func idle(busy map[*end]int) bool {
	for _, n := range busy {
		if n > 0 {
			return false
		}
	}
	return true
}

func (r *route) progress() plan.Progress {
	total := r.step.Slots.Len()
	p := plan.Progress{
		Step: r.step, Done: total - r.left, Total: total, Keys: r.sent.Load(), Bytes: r.bytes.Load(),
		Latency: max(r.from.probe.high(), r.to.probe.high()).Microseconds(), Window: r.from.pace.window().Microseconds(),
	}
	if text := r.text.Load(); text != nil {
		p.Text = *text
	}
	return p
}
