package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/haul-dl/haul/sdk/errs"
)

// metrics are those of one node.
type metrics struct {
	commits, commitFailures, lost prometheus.Counter
	steps                         *prometheus.HistogramVec
	failures                      *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	f := promauto.With(r)
	return &metrics{
		commits: f.NewCounter(prometheus.CounterOpts{
			Name: "haul_node_journal_commits_total", Help: "Commits to the node's journal.",
		}),
		commitFailures: f.NewCounter(prometheus.CounterOpts{
			Name: "haul_node_journal_failures_total", Help: "Commits to the node's journal that failed.",
		}),
		lost: f.NewCounter(prometheus.CounterOpts{
			Name: "haul_node_jobs_lost_total", Help: "Jobs that a downloader had lost and that were added again.",
		}),
		steps: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "haul_node_step_seconds", Help: "How long the steps of jobs took.",
			Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 60, 600},
		}, []string{"step"}),
		failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "haul_node_step_failures_total", Help: "Steps of jobs that failed.",
		}, []string{"step", "code"}),
	}
}

func (m *metrics) committed(err error) {
	m.commits.Inc()
	if err != nil {
		m.commitFailures.Inc()
	}
}

func (m *metrics) stepDone(s *step, err error) {
	m.steps.WithLabelValues(s.kind.String()).Observe(time.Since(s.began).Seconds())
	if err == nil || isReplan(err) {
		return
	}
	code := errs.CodeOf(err)
	if code.Title() == string(code) {
		code = "other" // a plugin's own; there may be any number of them
	}
	m.failures.WithLabelValues(s.kind.String(), string(code)).Inc()
}
