package main

import (
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// barShow draws a bar for the running stage.
type barShow struct {
	textShow
	short string // why the last stage came short, as last printed
	bars  *mpb.Progress
	bar   *mpb.Bar
	far   map[string]plan.Progress      // by what a step does
	begun time.Time                     // of the running stage
	sum   atomic.Pointer[plan.Progress] // of the running stage, see both
}

func (b *barShow) event(e reconcile.Event) {
	switch e.What {
	case reconcile.Began:
		b.begin(e)
	case reconcile.Advanced:
		b.advance(e.Progress)
	case reconcile.Ended:
		b.end(e)
	case reconcile.Waiting:
		b.wait(e)
	}
}

func (b *barShow) begin(e reconcile.Event) {
	b.clear()
	b.far = map[string]plan.Progress{}
	b.sum.Store(&plan.Progress{})
	b.begun = time.Now()
	var total int64
	for _, s := range e.Stage {
		total += weight(s)
	}
	b.bar = b.container().AddBar(total,
		mpb.PrependDecorators(decor.Name(clean(e.Cluster+": "+tally(e.Stage))+" "), decor.Any(doneOf)),
		mpb.AppendDecorators(
			decor.Any(func(decor.Statistics) string { return b.moved() }),
			decor.Any(b.speed),
			decor.AverageETA(decor.ET_STYLE_GO, decor.WC{W: 8}),
			decor.Any(func(decor.Statistics) string { return b.waits(" ") }),
		),
		mpb.BarRemoveOnComplete(),
	)
}

// grain is how many parts of the bar a slot or a step has: where its keys are
// counted, the bar moves on with them, and tells how long they will take.
const grain = 1000

// weight is a step's share of the bar.
func weight(s plan.Step) int64 {
	if s.Kind == plan.Move || s.Kind == plan.Close {
		return grain * int64(s.Slots.Len())
	}
	return grain
}

// behind is how much of its share a step has behind it. Keys may be more than
// were counted, for clients write all the time, and slots end a step.
func behind(p plan.Progress) int64 {
	all := weight(p.Step)
	var bySlots, byKeys int64
	if p.Total > 0 {
		bySlots = all * int64(p.Done) / int64(p.Total)
	}
	if p.KeysTotal > 0 {
		byKeys = min(all*p.Keys/p.KeysTotal, all-1)
	}
	return max(bySlots, byKeys)
}

// doneOf are the slots, or steps, that are done and to do.
func doneOf(s decor.Statistics) string {
	return fmt.Sprintf("%d/%d", s.Current/grain, s.Total/grain)
}

func (b *barShow) speed(s decor.Statistics) string {
	return fmt.Sprintf(" %.0f/s", float64(s.Current)/grain/max(time.Since(b.begun).Seconds(), 0.001))
}

func (b *barShow) moved() string { return after(", ", strings.Join(moved(*b.sum.Load()), ", ")) }

func (b *barShow) waits(lead string) string {
	return after(lead, strings.Join(waits(*b.sum.Load()), ", "))
}

func (b *barShow) advance(p plan.Progress) {
	if b.bar == nil {
		return
	}
	b.far[deed(p.Step)] = p
	var done int64
	var sum plan.Progress
	for _, p := range b.far {
		done += behind(p)
		sum = both(sum, p)
	}
	b.sum.Store(&sum)
	b.bar.SetCurrent(done)
}

// both is what two steps tell together: all that has moved, the longest wait and
// the narrowest window.
func both(a, b plan.Progress) plan.Progress {
	window := max(a.Window, b.Window)
	if a.Window > 0 && b.Window > 0 {
		window = min(a.Window, b.Window)
	}
	return plan.Progress{Keys: a.Keys + b.Keys, Bytes: a.Bytes + b.Bytes, Latency: max(a.Latency, b.Latency), Window: window}
}

func (b *barShow) end(e reconcile.Event) {
	if b.bar == nil {
		return
	}
	if e.Err == nil {
		b.clear()
		took := time.Since(b.begun).Round(100 * time.Millisecond)
		fmt.Fprintf(b.container(), "%s: done: %s%s in %s%s\n", e.Cluster, clean(tally(e.Stage)), after(", ", strings.Join(total(*b.sum.Load()), ", ")), took, b.waits(", "))
		return
	}
	b.clear()
	if text := textOf(e.Err); text != b.short {
		b.short = text
		fmt.Fprintf(b.container(), "%s: came short, looking again: %s\n", e.Cluster, clean(text))
	}
}

// wait shows what is waited for in place of a bar.
func (b *barShow) wait(e reconcile.Event) {
	if b.bar != nil {
		return
	}
	text := clean(e.Cluster + ": waiting: " + waitingFor(e.Plan))
	b.bar = b.container().New(0, mpb.SpinnerStyle().PositionLeft(),
		mpb.BarWidth(2), mpb.AppendDecorators(decor.Name(text)), mpb.BarRemoveOnComplete())
}

// clear takes an unfinished bar away.
func (b *barShow) clear() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.bar = nil
	}
}

func (b *barShow) container() *mpb.Progress {
	if b.bars == nil {
		b.bars = mpb.New(mpb.WithOutput(b.err), mpb.WithWidth(48))
	}
	return b.bars
}

func (b *barShow) over() {
	b.clear()
	if b.bars != nil {
		b.bars.Wait()
		b.bars = nil
	}
}
