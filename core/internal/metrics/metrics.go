// Package metrics holds the server's Prometheus registry and the metrics that
// are about the server as a whole. Names begin with haul_ and end with their
// base unit; labels have few values: never a task, a hash, a URL or a user.
package metrics

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/haul-dl/haul/core"
)

// Metrics is a registry with the server's metrics. All methods may be called
// concurrently.
type Metrics struct {
	registry    *prometheus.Registry
	transitions map[core.TaskState]prometheus.Counter
	commits     prometheus.Histogram
	batches     prometheus.Histogram
}

// New returns a registry of its own, with the metrics of the Go runtime and of
// the process in it.
func New() *Metrics {
	m := &Metrics{
		registry:    prometheus.NewRegistry(),
		transitions: map[core.TaskState]prometheus.Counter{},
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "haul_store_commit_duration_seconds",
			Help:    "How long writes of the database to the disk took.",
			Buckets: []float64{.0002, .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2},
		}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "haul_store_commit_transactions",
			Help:    "How many transactions shared one write of the database to the disk.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 11),
		}),
	}
	transitions := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "haul_task_transitions_total",
		Help: "How often tasks came into a state.",
	}, []string{"state"})
	for _, state := range core.TaskStates {
		m.transitions[state] = transitions.WithLabelValues(string(state))
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		transitions, m.commits, m.batches,
	)
	return m
}

// Build adds a metric that is always 1 and tells by its labels what runs.
func (m *Metrics) Build(version string) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "haul_build_info", Help: "What haul this is; always 1.",
		ConstLabels: prometheus.Labels{"version": version, "goversion": runtime.Version()},
	})
	g.Set(1)
	m.registry.MustRegister(g)
}

// Registry takes the metrics of other parts.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Handler answers scrapes. A collector that fails leaves its metrics out of
// the answer, and the others in.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		Registry: m.registry, ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4,
	})
}

// TaskTransition counts that a task came into a state.
func (m *Metrics) TaskTransition(to core.TaskState) {
	if c := m.transitions[to]; c != nil {
		c.Inc()
	}
}

// StoreCommit notes one write of the database to the disk, which so many
// transactions shared.
func (m *Metrics) StoreCommit(took time.Duration, transactions int) {
	m.commits.Observe(took.Seconds())
	m.batches.Observe(float64(transactions))
}
