package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// runLog logs what the lanes of a daemon tell: every step when it begins and
// ends, now and then how far it is, and how a cluster stands when that
// changes.
type runLog struct {
	log   *slog.Logger
	board *follow.Board

	mu    sync.Mutex
	lanes map[string]*laneLog
}

// laneLog is what was said of one cluster.
type laneLog struct {
	begun time.Time            // of the running stage
	spoke map[string]time.Time // of a running step, when
	plan  string               // the last plan logged
	waits string               // the last holds waited for
	stand string               // how the cluster stood last
	once  string               // what was said of former members
}

func (r *runLog) lane(cluster string) *laneLog {
	if r.lanes == nil {
		r.lanes = map[string]*laneLog{}
	}
	if r.lanes[cluster] == nil {
		r.lanes[cluster] = &laneLog{}
	}
	return r.lanes[cluster]
}

// about is the logger of a cluster. What the last pass for an older topology still
// does is not the new revision's.
func (r *runLog) about(cluster string) *slog.Logger {
	return r.log.With("cluster", cluster, "revision", r.board.Cluster(cluster).Pass)
}

func (r *runLog) event(e reconcile.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lane, log := r.lane(e.Cluster), r.about(e.Cluster)
	switch e.What {
	case reconcile.Planned:
		lane.planned(log, e.Plan)
	case reconcile.Began:
		lane.begun, lane.spoke, lane.waits = time.Now(), map[string]time.Time{}, ""
		for _, s := range e.Stage {
			lane.spoke[deed(s)] = time.Now()
			log.Info("step begins", "step", deed(s), "why", because(s))
		}
	case reconcile.Advanced:
		lane.advanced(log, e.Progress)
	case reconcile.Ended:
		switch text := apart(e.Err); {
		case text != "":
			log.Warn("stage came short", "step", tally(e.Stage), "error", text)
		case e.Err != nil:
			log.Info("stage cut off", "step", tally(e.Stage))
		}
	case reconcile.Waiting:
		if text := waitingFor(e.Plan); text != lane.waits {
			lane.waits = text
			log.Info("waiting", "for", text)
		}
	}
}

// apart is what went wrong apart from being told to stop, which every command on
// its way then says, in one line; "" for nothing.
func apart(err error) string {
	var told []string
	for line := range strings.Lines(textOf(err)) {
		if !strings.Contains(line, context.Canceled.Error()) {
			told = append(told, strings.TrimSpace(line))
		}
	}
	return clean(strings.Join(told, "; "))
}

// planned logs a plan with steps, unless it is the rest of the one before.
func (l *laneLog) planned(log *slog.Logger, p plan.Plan) {
	if len(p.Steps) == 0 {
		l.plan = ""
		return
	}
	if print := p.Fingerprint(); print != l.plan {
		l.plan = print
		log.Info("planned", "fingerprint", print, "steps", len(p.Steps), "plan", tally(p.Steps), "holds", len(p.Holds))
	}
}

func (l *laneLog) advanced(log *slog.Logger, p plan.Progress) {
	const every = 10 * time.Second
	name, took := deed(p.Step), time.Since(l.begun)
	switch {
	case p.Total > 0 && p.Done >= p.Total:
		log = log.With("step", name)
		if note := ended(p, took); note != "" {
			log = log.With("note", note)
		}
		log.Info("step done")
	case time.Since(l.spoke[name]) >= every:
		log.Info("step goes on", "step", name, "progress", far(p, took))
	default:
		return
	}
	l.spoke[name] = time.Now()
}

// result logs how a cluster stands after a pass, when that is news: also that what was
// waited for has come.
func (r *runLog) result(got reconcile.Result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	lane, log := r.lane(got.Cluster), r.about(got.Cluster)
	lane.remembers(log, got)
	stand, waited := standing(got), false
	if got.Sync() == reconcile.InSync {
		waited, lane.waits = lane.waits != "", ""
	}
	if stand == lane.stand && len(got.Done) == 0 && !waited {
		return
	}
	lane.stand = stand
	state := slog.String("state", string(got.Sync()))
	switch {
	case errors.Is(got.Err, context.Canceled):
		log.Info("stopped at a safe boundary", state, "done", len(got.Done), "left", len(got.Plan.Steps))
	case got.Err != nil:
		log.Error("pass ended early", state, "done", len(got.Done), "error", clean(got.Err.Error()))
	default:
		log.Info("pass ended", state, "done", len(got.Done), "left", len(got.Plan.Steps))
	}
	for _, h := range got.Plan.Holds {
		log.Warn("held", "code", h.Code, "why", h.Why, "node", h.Node, "text", h.Text, "lift", h.Lift)
	}
}

// remembers logs what people should know of former members, when that is news.
func (l *laneLog) remembers(log *slog.Logger, got reconcile.Result) {
	all := plan.Remembered(&got.Seen)
	if text := strings.Join(all, "\n"); text != l.once && got.Observed {
		l.once = text
		for _, note := range all {
			log.Warn("former members", "note", note)
		}
	}
}
