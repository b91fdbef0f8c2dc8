package metrics

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/core"
)

// snapshotTimeout bounds what a scrape waits for the store.
const snapshotTimeout = 5 * time.Second

// Snapshots are asked at each scrape, so that nothing has to be counted along
// and nothing can drift. All are needed; they must be safe to call concurrently.
type Snapshots struct {
	// Tasks returns the number of tasks in each state.
	Tasks func(ctx context.Context) (map[core.TaskState]int64, error)
	// Downloaders returns all downloaders.
	Downloaders func() []core.DownloaderView
	// Rates returns the sum of the progress of the jobs at each downloader.
	Rates func() map[core.DownloaderID]core.Progress
}

// Watch adds metrics that are read from snapshots.
func (m *Metrics) Watch(s Snapshots) error {
	for _, c := range []prometheus.Collector{newTaskCollector(s.Tasks), newDownloaderCollector(s)} {
		if err := m.registry.Register(c); err != nil {
			return fmt.Errorf("register metrics: %w", err)
		}
	}
	return nil
}

// taskCollector shows tasks by state.
type taskCollector struct {
	count func(context.Context) (map[core.TaskState]int64, error)
	tasks *prometheus.Desc
}

func newTaskCollector(count func(context.Context) (map[core.TaskState]int64, error)) *taskCollector {
	return &taskCollector{count, prometheus.NewDesc("haul_tasks", "How many tasks are in a state, without deleted ones.", []string{"state"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *taskCollector) Describe(out chan<- *prometheus.Desc) { out <- c.tasks }

// Collect implements prometheus.Collector.
func (c *taskCollector) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), snapshotTimeout)
	defer cancel()
	counts, err := c.count(ctx)
	if err != nil {
		out <- prometheus.NewInvalidMetric(c.tasks, err)
		return
	}
	for _, state := range core.TaskStates {
		out <- prometheus.MustNewConstMetric(c.tasks, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}

// downloaderCollector shows how each downloader fares.
type downloaderCollector struct {
	Snapshots
	up, active, limit, download, upload, restarts *prometheus.Desc
}

func newDownloaderCollector(s Snapshots) *downloaderCollector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"downloader", "node", "plugin"}, nil)
	}
	return &downloaderCollector{
		Snapshots: s,
		up:        desc("haul_downloader_up", "Whether the downloader can take jobs: 1 or 0."),
		active:    desc("haul_downloader_active_jobs", "How many jobs have a place at the downloader."),
		limit:     desc("haul_downloader_max_active_jobs", "How many jobs may have a place at the downloader."),
		download:  desc("haul_downloader_download_rate_bytes", "How many bytes a second the downloader loads."),
		upload:    desc("haul_downloader_upload_rate_bytes", "How many bytes a second the downloader sends to peers."),
		restarts:  desc("haul_plugin_restarts_total", "How often the downloader's plugin process was started again."),
	}
}

// Describe implements prometheus.Collector.
func (c *downloaderCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.up, c.active, c.limit, c.download, c.upload, c.restarts} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *downloaderCollector) Collect(out chan<- prometheus.Metric) {
	rates := c.Rates()
	for _, d := range c.Downloaders() {
		send := func(desc *prometheus.Desc, kind prometheus.ValueType, value float64) {
			out <- prometheus.MustNewConstMetric(desc, kind, value, d.Name, d.NodeName, d.Plugin)
		}
		up := 0.0
		if d.Health.State == core.HealthOK {
			up = 1
		}
		rate := rates[d.ID]
		send(c.up, prometheus.GaugeValue, up)
		send(c.active, prometheus.GaugeValue, float64(d.Active))
		send(c.limit, prometheus.GaugeValue, float64(d.MaxActive))
		send(c.download, prometheus.GaugeValue, float64(rate.DownloadRate))
		send(c.upload, prometheus.GaugeValue, float64(rate.UploadRate))
		send(c.restarts, prometheus.CounterValue, float64(d.Restarts))
	}
}
