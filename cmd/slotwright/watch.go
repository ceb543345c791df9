package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/gitsync"
	"github.com/slotwright/slotwright/reconcile"
)

// developing is one run of watch: the daemon's machinery over a directory, with a
// person in front of it instead of a log.
type developing struct {
	*tool
	planOnly bool
	poll     bool
	timeout  time.Duration
}

func (t *tool) watch() *cobra.Command {
	d := &developing{tool: t}
	c := &cobra.Command{
		Use:   "watch DIR",
		Short: "The development loop: apply on every save",
		Long: `watch follows a directory and applies what its topologies say, at once and whenever
a file is saved, until it is interrupted. Nobody is asked; what a topology must
permit stays held. It also brings back what drifts meanwhile.

A file with a mistake changes nothing: the mistake is printed, and the last good
topology stays. A file that vanishes removes nothing: its cluster is left alone.
With --plan-only it prints the plan of every save and changes nothing.`,
		Example: `  slotwright watch topologies/
  slotwright watch --plan-only topologies/`,
		Args: wordsAre(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error { return d.run(c.Context(), args[0]) },
	}
	c.Flags().BoolVar(&d.planOnly, "plan-only", false, "print plans, change nothing")
	c.Flags().BoolVar(&d.poll, "poll", false, "read the directory every two seconds instead of waiting for events (NFS, some containers)")
	c.Flags().DurationVar(&d.timeout, "timeout", reconcile.DefaultPatience, "end a pass after this long without progress")
	return c
}

func (d *developing) run(ctx context.Context, dir string) error {
	if d.timeout <= 0 {
		return usage{fmt.Errorf("--timeout %s is not more than nothing", d.timeout)}
	}
	source, err := gitsync.Dir(dir, gitsync.DirOptions{Poll: d.poll})
	if err != nil {
		return err
	}
	defer source.Close()
	const drift = 10 * time.Second // between looks at the servers
	board := follow.NewBoard()
	view := &watchView{tool: d.tool, planOnly: d.planOnly, board: board, lanes: map[string]*watchLane{}}
	f := &follow.Follower{
		Source: source, Origin: follow.Origin{Name: dir, Shown: dir, Base: dir}, Board: board,
		Log: slog.New(plainLog{t: d.tool}),
		Loop: reconcile.Loop{
			Connect: d.connect, Every: drift, Patience: d.timeout, Detect: d.planOnly,
			Event: view.event, Result: view.result,
		},
	}
	f.Run(ctx)
	return nil
}

// watchView prints what the lanes tell, one at a time.
type watchView struct {
	*tool
	planOnly bool
	board    *follow.Board

	mu    sync.Mutex
	lanes map[string]*watchLane
}

// watchLane is what was printed of one cluster.
type watchLane struct {
	lineShow
	plan  string // the last one printed
	stand string // how it stood last
}

func (v *watchView) lane(cluster string) *watchLane {
	if v.lanes[cluster] == nil {
		v.lanes[cluster] = &watchLane{lineShow: lineShow{textShow: textShow{tool: v.tool}}}
	}
	return v.lanes[cluster]
}

func (v *watchView) event(e reconcile.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	lane := v.lane(e.Cluster)
	if e.What != reconcile.Planned {
		lane.event(e)
		return
	}
	if print := e.Plan.Fingerprint(); len(e.Plan.Steps) > 0 && print != lane.plan {
		lane.plan = print
		fmt.Fprintln(v.out)
		planText(v.out, v.paint(), surveyed{
			want:   v.board.Cluster(e.Cluster).Want,
			result: reconcile.Result{Cluster: e.Cluster, Plan: e.Plan, Observed: true},
		})
	}
}

// result prints how a cluster stands after a pass, when that is news. A plan
// that is only looked at was printed already.
func (v *watchView) result(r reconcile.Result) {
	v.mu.Lock()
	defer v.mu.Unlock()
	lane := v.lane(r.Cluster)
	news := standing(r)
	switch {
	case errors.Is(r.Err, context.Canceled) && len(r.Done)+len(r.Failed) == 0, news == lane.stand && len(r.Done) == 0:
		return
	case r.Sync() == reconcile.InSync:
		lane.plan = ""
	}
	lane.stand = news
	if v.planOnly && r.Sync() == reconcile.OutOfSync {
		return
	}
	resultText(v.out, v.paint(), r, r.Plan.Holds)
}

// standing is how a cluster stands, as far as a change of it is news.
func standing(r reconcile.Result) string {
	text := string(r.Sync()) + textOf(r.Err)
	for _, h := range r.Plan.Holds {
		text += string(h.Code) + h.Node
	}
	return text
}

// plainLog writes log records for a person: the message and the values, without
// times and keys.
type plainLog struct {
	t     *tool
	attrs []slog.Attr
}

func (plainLog) Enabled(context.Context, slog.Level) bool { return true }

func (p plainLog) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	tell := func(a slog.Attr) bool {
		if a.Key == "mistake" || a.Key == "error" || a.Key == "cluster" && a.Value.String() != "" {
			text += ": " + a.Value.String()
		}
		return true
	}
	for _, a := range p.attrs {
		tell(a)
	}
	r.Attrs(tell)
	_, err := fmt.Fprintln(p.t.err, "watch:", clean(text))
	return err
}

func (p plainLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	p.attrs = append(p.attrs[:len(p.attrs):len(p.attrs)], attrs...)
	return p
}

func (p plainLog) WithGroup(string) slog.Handler { return p }
