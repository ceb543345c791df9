package serve

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/slotwright/slotwright/cmd/slotwright/follow"
	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// Gauges shows a board as metrics, as it is when they are asked for.
type Gauges struct {
	Board *follow.Board
	// Serves is how many slots are served, and in one word how well.
	Serves func(reconcile.Result) (slots int, health string)
	// Healths are all words that Serves may say.
	Healths []string
}

func gauge(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(namespace+"_"+name, help, labels, nil)
}

var (
	leads    = gauge("leader", "1 when this process acts, 0 when it stands by.")
	mistakes = gauge("source_mistakes", "Mistakes in the newest revision; the last good topologies are kept.")
	revision = gauge("source_info", "Always 1: the newest revision, and the newest without a mistake.", "seen", "good")
	readAt   = gauge("source_last_success_timestamp_seconds", "When the source could last be read.")
	orphans  = gauge("cluster_orphaned", "Always 1: a cluster that the source does not name any more.", "cluster")
	state    = gauge("cluster_state", "1 for the state a cluster is in: InSync, OutOfSync, Held or Unknown.", "cluster", "state")
	health   = gauge("cluster_health", "1 for the health of a cluster: Healthy, Degraded, Down or Unknown.", "cluster", "health")
	served   = gauge("cluster_slots_served", "Slots whose owner answers, of 16384.", "cluster")
	pending  = gauge("cluster_steps_pending", "Steps that are left to do.", "cluster")
	holding  = gauge("cluster_holds", "Things left undone on purpose.", "cluster", "why", "code")
	passedAt = gauge("cluster_last_pass_timestamp_seconds", "When the last pass over a cluster ended.", "cluster")
	wants    = gauge("cluster_info", "Always 1: the revision a cluster is reconciled to.", "cluster", "revision")
)

// Describe tells of all metrics there are.
func (g Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{leads, mistakes, revision, readAt, orphans, state, health, served, pending, holding, passedAt, wants} {
		to <- d
	}
}

// Collect tells what is known now.
func (g Gauges) Collect(to chan<- prometheus.Metric) {
	tell := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	known := g.Board.Now()
	tell(leads, one(known.Standby == ""))
	tell(mistakes, float64(len(known.Mistakes)))
	tell(revision, 1, known.Seen, known.Good)
	if !known.Read.IsZero() {
		tell(readAt, seconds(known.Read))
	}
	for _, o := range known.Orphans {
		tell(orphans, 1, o.Name)
	}
	for _, c := range known.Clusters {
		g.cluster(tell, c)
	}
}

func (g Gauges) cluster(tell func(*prometheus.Desc, float64, ...string), c follow.Cluster) {
	tell(wants, 1, c.Name, c.Revision)
	if !c.Passed.IsZero() {
		tell(passedAt, seconds(c.Passed), c.Name)
	}
	sync := c.Result.Sync()
	if c.Stale {
		sync = reconcile.Unknown
	}
	for _, s := range []reconcile.Sync{reconcile.InSync, reconcile.OutOfSync, reconcile.Held, reconcile.Unknown} {
		tell(state, one(s == sync), c.Name, string(s))
	}
	slots, word := g.Serves(c.Result)
	for _, h := range g.Healths {
		tell(health, one(h == word), c.Name, h)
	}
	tell(served, float64(slots), c.Name)
	tell(pending, float64(len(c.Result.Plan.Steps)), c.Name)
	type kind struct {
		why  plan.Why
		code plan.Code
	}
	count := map[kind]int{}
	for _, h := range c.Result.Plan.Holds {
		count[kind{h.Why, h.Code}]++
	}
	for k, n := range count {
		tell(holding, float64(n), c.Name, string(k.why), string(k.code))
	}
}

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }
