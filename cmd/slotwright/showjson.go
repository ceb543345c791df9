package main

import (
	"encoding/json"
	"io"
	"reflect"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// eventShow prints one event per line. The kinds of events are told by
// slotwright apply --help; fields are only ever added. A step's progress is
// told once a second, and at its end.
type eventShow struct {
	out  io.Writer
	last planJSON             // as last printed
	said map[string]time.Time // when a running step was last spoken of
}

type eventJSON struct {
	FormatVersion int           `json:"formatVersion"`
	Time          time.Time     `json:"time"`
	Event         string        `json:"event"`
	Cluster       string        `json:"cluster,omitempty"`
	Plan          *planJSON     `json:"plan,omitempty"`
	Steps         []stepJSON    `json:"steps,omitempty"`
	Progress      *progressJSON `json:"progress,omitempty"`
	Holds         *[]holdJSON   `json:"holds,omitempty"` // nil where the event has none; else told also when empty
	Result        *resultJSON   `json:"result,omitempty"`
	Code          *exit         `json:"code,omitempty"`
	Error         string        `json:"error,omitempty"`
}

type progressJSON struct {
	Step      stepJSON `json:"step"`
	Done      int      `json:"done"`
	Total     int      `json:"total"`
	Keys      int64    `json:"keys"`
	KeysTotal int64    `json:"keysTotal,omitempty"`
	Bytes     int64    `json:"bytes"`
	Latency   int64    `json:"latencyMicros,omitempty"`
	Window    int64    `json:"windowMicros,omitempty"`
	Text      string   `json:"text,omitempty"`
}

type resultJSON struct {
	State      reconcile.Sync `json:"state"`
	Done       []stepJSON     `json:"done"`
	Failed     []stepJSON     `json:"failed"`
	NotStarted []stepJSON     `json:"notStarted"`
}

func (s *eventShow) plans(all []surveyed) {
	for _, one := range all {
		s.plan(one.result)
	}
}

func (s *eventShow) event(e reconcile.Event) {
	out := eventJSON{Event: string(e.What), Cluster: e.Cluster, Error: textOf(e.Err)}
	switch e.What {
	case reconcile.Planned:
		s.plan(reconcile.Result{Cluster: e.Cluster, Plan: e.Plan, Observed: true})
		return
	case reconcile.Began, reconcile.Ended:
		out.Steps = jsonOfSteps(e.Stage)
	case reconcile.Advanced:
		p := e.Progress
		if !s.due(p) {
			return
		}
		out.Event = "progress"
		out.Progress = new(jsonOfProgress(p))
	case reconcile.Waiting:
		out.Holds = new(jsonOfHolds(e.Plan.Holds))
	}
	s.print(out)
}

// plan prints a plan unless it is the one printed last.
func (s *eventShow) plan(r reconcile.Result) {
	p := jsonOfPlan(r)
	if reflect.DeepEqual(p, s.last) {
		return
	}
	s.last = p
	s.print(eventJSON{Event: "plan", Cluster: r.Cluster, Plan: &p, Error: p.Error})
}

// due reports whether it is time to speak of a step again.
func (s *eventShow) due(p plan.Progress) bool {
	const every = time.Second
	name := deed(p.Step)
	if ended := p.Total > 0 && p.Done >= p.Total; !ended && time.Since(s.said[name]) < every {
		return false
	}
	s.said[name] = time.Now()
	return true
}

func (s *eventShow) result(r reconcile.Result) {
	s.print(eventJSON{
		Event: "result", Cluster: r.Cluster, Error: textOf(r.Err), Holds: new(jsonOfHolds(r.Plan.Holds)),
		Result: &resultJSON{r.Sync(), jsonOfSteps(r.Done), jsonOfSteps(r.Failed), jsonOfSteps(r.NotStarted())},
	})
}

func (s *eventShow) over()       {}
func (s *eventShow) exit(c exit) { s.print(eventJSON{Event: "exit", Code: &c}) }

func (s *eventShow) print(e eventJSON) {
	e.FormatVersion, e.Time = formatVersion, time.Now().UTC()
	enc := json.NewEncoder(s.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // a reader that went away must not stop a running stage
}
