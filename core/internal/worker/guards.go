package worker

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// guards watch over what no job sees by itself: the free space, the clock, and
// what was left behind. They belong to the loop.
type guards struct {
	space   spaceGuard
	clock   clockGuard
	orphans orphanGuard
	// remnants are what deliveries have left behind, by their ids.
	remnants remnantGuard
}

func newGuards(o *Options) guards {
	return guards{
		space:    spaceGuard{measure: o.FreeSpace, minFree: o.MinFree, metrics: newSpaceMetrics(o.Registerer)},
		orphans:  newOrphanGuard(o),
		remnants: remnantGuard{known: map[string]*remnant{}},
	}
}

// guard lets the guards look, at the begin of each turn.
func (n *Node) guard(now time.Time) {
	n.guardClock(now)
	n.guardSpace(now)
	n.guardOrphans(now)
	n.guardRemnants(now)
}

// onGuardEvent takes in what a guard has found.
func (n *Node) onGuardEvent(e event) {
	switch e := e.(type) {
	case spaceMeasured:
		n.onSpaceMeasured(e)
	case directoriesFound:
		n.onDirectoriesFound(e)
	case jobsListed:
		n.onJobsListed(e)
	case orphansRemoved:
		n.onOrphansRemoved(e)
	case remnantDone:
		n.onRemnantDone(e)
	}
}

// spaceMetrics are those of the spaceGuard.
type spaceMetrics struct {
	free, reserved, waiting prometheus.Gauge
}

func newSpaceMetrics(r prometheus.Registerer) *spaceMetrics {
	f := promauto.With(r)
	return &spaceMetrics{
		free: f.NewGauge(prometheus.GaugeOpts{
			Name: "haul_node_free_bytes", Help: "Free space of the file system that downloads go to.",
		}),
		reserved: f.NewGauge(prometheus.GaugeOpts{
			Name: "haul_node_reserved_bytes", Help: "What the running downloads will still take of it.",
		}),
		waiting: f.NewGauge(prometheus.GaugeOpts{
			Name: "haul_node_space_paused", Help: "Downloads that wait or were paused for want of free space.",
		}),
	}
}

func newOrphanMetrics(r prometheus.Registerer) *prometheus.GaugeVec {
	return promauto.With(r).NewGaugeVec(prometheus.GaugeOpts{
		Name: "haul_orphans", Help: "Directories and downloaders' jobs that no job of haul refers to.",
	}, []string{"kind"})
}
