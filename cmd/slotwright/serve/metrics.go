package serve

import (
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/slotwright/slotwright/reconcile"
	"github.com/slotwright/slotwright/reconcile/plan"
)

// Metrics counts what happens, and shows what is known when it is asked.
type Metrics struct {
	registry *prometheus.Registry
	looks    *prometheus.CounterVec
	passes   *prometheus.CounterVec
	steps    *prometheus.CounterVec
	slots    *prometheus.CounterVec
	keys     *prometheus.CounterVec
	hooks    *prometheus.CounterVec
	notes    *prometheus.CounterVec

	mu   sync.Mutex
	last map[deed]plan.Progress // of running steps
}

// deed is a step of a cluster.
type deed struct {
	cluster        string
	kind           plan.Kind
	node, from, to string
}

// NewMetrics makes the metrics. Gauges are what each collector tells.
func NewMetrics(version string, gauges ...prometheus.Collector) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		last:     map[deed]plan.Progress{},
		looks:    counter("source_looks_total", "Looks at the source.", "result"),
		passes:   counter("passes_total", "Passes over a cluster, by the state they left it in.", "cluster", "state"),
		steps:    counter("steps_total", "Steps that a pass began, by how they ended.", "cluster", "kind", "result"),
		slots:    counter("moved_slots_total", "Slots that were moved.", "cluster"),
		keys:     counter("moved_keys_total", "Keys that were moved.", "cluster"),
		hooks:    counter("hook_calls_total", "Calls of webhooks.", "provider", "result"),
		notes:    counter("notes_total", "Attempts to tell people how a cluster stands.", "to", "result"),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: namespace, Name: "build_info", Help: "Always 1.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.looks, m.passes, m.steps, m.slots, m.keys, m.hooks, m.notes, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry.MustRegister(gauges...)
	for _, result := range []string{"ok", "error"} {
		m.looks.WithLabelValues(result) // so that alerts see the first error
	}
	return m
}

const namespace = "slotwright"

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4})
}

// Looked counts a look at the source.
func (m *Metrics) Looked(err error) {
	if err != nil {
		m.looks.WithLabelValues("error").Inc()
		return
	}
	m.looks.WithLabelValues("ok").Inc()
}

// Hook counts a call of a webhook.
func (m *Metrics) Hook(provider, result string) { m.hooks.WithLabelValues(provider, result).Inc() }

// Told counts an attempt to tell people something.
func (m *Metrics) Told(to, result string) { m.notes.WithLabelValues(to, result).Inc() }

// Event counts slots and keys on their way.
func (m *Metrics) Event(e reconcile.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch p := e.Progress; e.What {
	case reconcile.Began:
		for _, s := range e.Stage {
			delete(m.last, deedOf(e.Cluster, s))
		}
	case reconcile.Advanced:
		if p.Step.Kind != plan.Move && p.Step.Kind != plan.Close {
			return
		}
		was := m.last[deedOf(e.Cluster, p.Step)]
		m.last[deedOf(e.Cluster, p.Step)] = p
		m.slots.WithLabelValues(e.Cluster).Add(float64(max(0, p.Done-was.Done)))
		m.keys.WithLabelValues(e.Cluster).Add(float64(max(0, p.Keys-was.Keys)))
	}
}

// Result counts a pass and its steps.
func (m *Metrics) Result(r reconcile.Result) {
	m.passes.WithLabelValues(r.Cluster, string(r.Sync())).Inc()
	for _, s := range r.Done {
		m.steps.WithLabelValues(r.Cluster, string(s.Kind), "done").Inc()
	}
	for _, s := range r.Failed {
		m.steps.WithLabelValues(r.Cluster, string(s.Kind), "failed").Inc()
	}
}

func deedOf(cluster string, s plan.Step) deed {
	return deed{cluster, s.Kind, s.Node, s.From, s.To}
}
