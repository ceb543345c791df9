package main

import (
	"time"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// daemonJSON is what a daemon serves at /api/v1/status: what status -o json
// prints, and where it comes from, what is planned and what is running. Fields
// are only ever added.
type daemonJSON struct {
	FormatVersion int            `json:"formatVersion"`
	Source        sourceJSON     `json:"source"`
	Mode          string         `json:"mode"`              // enforce or detect
	Standby       string         `json:"standby,omitempty"` // who acts instead of this process
	Clusters      []followedJSON `json:"clusters"`
	Orphans       []orphanedJSON `json:"orphans"`
}

type sourceJSON struct {
	Name         string     `json:"name"`
	Revision     string     `json:"revision"`     // the newest, good or not
	GoodRevision string     `json:"goodRevision"` // the newest without a mistake
	Looked       *time.Time `json:"looked"`       // null before the first look
	Read         *time.Time `json:"read"`         // when it could last be read
	Error        string     `json:"error,omitempty"`
	Mistakes     []string   `json:"mistakes"`
}

type followedJSON struct {
	status
	Revision string         `json:"revision"`
	Signer   string         `json:"signer,omitempty"`
	Observed *time.Time     `json:"observed"` // null before the first look
	Passed   *time.Time     `json:"passed"`   // when the last pass ended; null before that
	Plan     planJSON       `json:"plan"`
	Running  []progressJSON `json:"running"` // steps
}

type orphanedJSON struct {
	Cluster  string    `json:"cluster"`
	Revision string    `json:"revision"` // the last that named it
	Since    time.Time `json:"since"`
}

func (f *following) known(board *follow.Board) daemonJSON {
	now := board.Now()
	out := daemonJSON{
		FormatVersion: formatVersion, Mode: f.mode, Standby: now.Standby,
		Clusters: []followedJSON{}, Orphans: []orphanedJSON{},
		Source: sourceJSON{
			Name: f.origin.place().Name, Revision: now.Seen, GoodRevision: now.Good,
			Looked: moment(now.Looked), Read: moment(now.Read), Error: now.Error, Mistakes: []string{},
		},
	}
	for _, m := range now.Mistakes {
		out.Source.Mistakes = append(out.Source.Mistakes, m.String())
	}
	for _, o := range now.Orphans {
		out.Orphans = append(out.Orphans, orphanedJSON{o.Name, o.Revision, o.Since.UTC()})
	}
	for _, c := range now.Clusters {
		out.Clusters = append(out.Clusters, jsonOfFollowed(c))
	}
	return out
}

func jsonOfFollowed(c follow.Cluster) followedJSON {
	out := followedJSON{
		status: statusOf(c.Result, !c.Stale), Revision: c.Revision, Signer: c.Signer,
		Observed: moment(c.Observed), Passed: moment(c.Passed), Plan: jsonOfPlan(c.Result), Running: []progressJSON{},
	}
	if c.Result.Err == nil && !c.Result.Observed {
		out.Problems = []string{"not looked at yet"}
	}
	if c.Stale {
		out.Plan.State = reconcile.Unknown
	}
	for _, p := range c.Running {
		out.Running = append(out.Running, jsonOfProgress(p))
	}
	return out
}

func jsonOfProgress(p plan.Progress) progressJSON {
	return progressJSON{jsonOfStep(p.Step), p.Done, p.Total, p.Keys, p.KeysTotal, p.Bytes, p.Latency, p.Window, p.Text}
}

// moment is a time for JSON: null when there was none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// serves is how many slots a cluster serves, and its health.
func serves(r reconcile.Result) (slots int, health string) {
	s := statusOf(r, true)
	return s.SlotsServed, string(s.Health)
}
