package main

import (
	"fmt"
	"time"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// lineShow shows a run in plain lines, for logs: a line when a step ends and,
// while it runs, one every few seconds.
type lineShow struct {
	textShow
	begun time.Time            // of the running stage
	said  map[string]time.Time // when a running step was last spoken of
	waits string               // the holds waited for, as last printed
	short string               // why the last stage came short, as last printed
}

const quiet = 5 * time.Second

func (l *lineShow) over() {}

func (l *lineShow) event(e reconcile.Event) {
	switch e.What {
	case reconcile.Began:
		l.begun, l.said = time.Now(), map[string]time.Time{}
		l.waits = ""
		l.line(e.Cluster, "stage begins: %s", tally(e.Stage))
		for _, s := range e.Stage {
			l.said[deed(s)] = time.Now()
		}
	case reconcile.Advanced:
		l.advanced(e.Cluster, e.Progress)
	case reconcile.Ended:
		l.ended(e)
	case reconcile.Waiting:
		if text := waitingFor(e.Plan); text != l.waits {
			l.waits = text
			l.line(e.Cluster, "waiting: %s", text)
		}
	}
}

func (l *lineShow) ended(e reconcile.Event) {
	switch text := textOf(e.Err); {
	case e.Err == nil:
		l.line(e.Cluster, "stage done: %s", tally(e.Stage))
	case text != l.short:
		l.short = text
		l.line(e.Cluster, "stage came short, looking again: %s", text)
	}
}

func (l *lineShow) advanced(cluster string, p plan.Progress) {
	name, took := deed(p.Step), time.Since(l.begun)
	switch {
	case p.Total > 0 && p.Done >= p.Total:
		l.line(cluster, "done: %s%s", name, after(": ", ended(p, took)))
	case time.Since(l.said[name]) >= quiet:
		l.line(cluster, "%s: %s", name, far(p, took))
	default:
		return
	}
	l.said[name] = time.Now()
}

func (l *lineShow) line(cluster, format string, args ...any) {
	fmt.Fprintf(l.err, "%s: %s\n", cluster, clean(fmt.Sprintf(format, args...)))
}

// tally is the steps of a stage by kind: "3 Meet, 1 Assign". A lone step is
// told in full.
func tally(stage []plan.Step) string {
	if len(stage) == 1 {
		return deed(stage[0])
	}
	var kinds []plan.Kind
	n := map[plan.Kind]int{}
	for _, s := range stage {
		if n[s.Kind]++; n[s.Kind] == 1 {
			kinds = append(kinds, s.Kind)
		}
	}
	text := ""
	for _, k := range kinds {
		text += after(", ", fmt.Sprintf("%d %s", n[k], k))
	}
	return text[len(", "):]
}

// waitingFor are the holds that time lifts, in one line.
func waitingFor(p plan.Plan) string {
	var all []string
	for _, h := range p.Holds {
		if h.Why == plan.Wait {
			all = append(all, string(h.Code)+after(" ", h.Node)+": "+h.Text)
		}
	}
	return reconcile.Listed(all)
}
