package main

import (
	"encoding/json"
	"io"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// formatVersion of every JSON that is printed. Fields are only ever added.
const formatVersion = 1

type plansJSON struct {
	FormatVersion int        `json:"formatVersion"`
	Revision      string     `json:"revision"` // of the source; "" outside git
	Clusters      []planJSON `json:"clusters"`
}

type planJSON struct {
	Cluster     string         `json:"cluster"`
	State       reconcile.Sync `json:"state"`
	Fingerprint string         `json:"fingerprint"`
	Steps       []stepJSON     `json:"steps"`
	Holds       []holdJSON     `json:"holds"`
	Notes       []string       `json:"notes"`
	Summary     summary        `json:"summary"`
	Error       string         `json:"error,omitempty"`
}

type stepJSON struct {
	Stage  int               `json:"stage"`
	Kind   plan.Kind         `json:"kind"`
	Node   string            `json:"node,omitempty"`
	From   string            `json:"from,omitempty"`
	To     string            `json:"to,omitempty"`
	Slots  string            `json:"slots,omitempty"`
	Count  int               `json:"count,omitempty"` // of slots
	Keys   *int64            `json:"keys,omitempty"`  // about; absent when it can't be told
	Bytes  int64             `json:"bytes,omitempty"`
	Config map[string]string `json:"config,omitempty"`
	Shard  string            `json:"shard,omitempty"`
	Bare   bool              `json:"bare,omitempty"`
	Kept   bool              `json:"kept,omitempty"`
	Reason string            `json:"reason,omitempty"`
	Engine plan.Engine       `json:"engine,omitempty"` // of a Move: atomic or migrate
	// EngineReason is why it is that engine, ETA about how many seconds the move
	// takes by itself; absent when it can't be told.
	EngineReason string `json:"engineReason,omitempty"`
	ETA          int64  `json:"eta,omitempty"`
}

type holdJSON struct {
	Why  plan.Why  `json:"why"`
	Code plan.Code `json:"code"`
	Node string    `json:"node,omitempty"`
	Text string    `json:"text"`
	Lift string    `json:"lift"`
}

func (t *tool) plansJSON(all []surveyed) error {
	out := plansJSON{FormatVersion: formatVersion, Clusters: []planJSON{}}
	for _, s := range all {
		out.Clusters = append(out.Clusters, jsonOfPlan(s.result))
	}
	return writeJSON(t.out, out)
}

func jsonOfPlan(r reconcile.Result) planJSON {
	out := planJSON{
		Cluster: r.Cluster,
		State:   r.Sync(),
		Steps:   jsonOfSteps(r.Plan.Steps),
		Holds:   jsonOfHolds(r.Plan.Holds),
		Notes:   append([]string{}, r.Plan.Notes...),
		Summary: sum(r.Plan),
		Error:   textOf(r.Err),
	}
	if r.Observed {
		out.Fingerprint = r.Plan.Fingerprint()
	}
	return out
}

func jsonOfSteps(steps []plan.Step) []stepJSON {
	out := []stepJSON{}
	for _, s := range steps {
		out = append(out, jsonOfStep(s))
	}
	return out
}

func jsonOfStep(s plan.Step) stepJSON {
	out := stepJSON{
		Stage: s.Stage, Kind: s.Kind, Node: s.Node, From: s.From, To: s.To,
		Slots: s.Slots.String(), Count: s.Slots.Len(),
		Bytes: max(0, s.Bytes), Config: s.Config, Shard: s.Shard, Bare: s.Bare, Kept: s.Kept, Reason: s.Reason,
		Engine: s.Engine, EngineReason: s.EngineReason, ETA: s.ETA,
	}
	if s.Keys != unknown && (s.Kind == plan.Move || s.Kind == plan.Close) {
		out.Keys = &s.Keys
	}
	return out
}

func jsonOfHolds(holds []plan.Hold) []holdJSON {
	out := []holdJSON{}
	for _, h := range holds {
		out = append(out, holdJSON(h))
	}
	return out
}

func textOf(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
