package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/haul-dl/haul/core"
)

// sample is a server with two downloaders.
func sample() Snapshots {
	return Snapshots{
		Tasks: func(context.Context) (map[core.TaskState]int64, error) {
			return map[core.TaskState]int64{core.StateDownloading: 3, "made_up": 1}, nil
		},
		Downloaders: func() []core.DownloaderView {
			return []core.DownloaderView{
				{
					Downloader: core.Downloader{ID: "d1", Name: "fast", Plugin: "aria2", MaxActive: 7, Settings: json.RawMessage(`{"secret":"s3cret"}`)},
					NodeName:   "local", Health: core.Health{State: core.HealthOK, Message: "at http://example.com/"}, Restarts: 2, PluginPID: 4711, Active: 5,
				},
				{Downloader: core.Downloader{ID: "d2", Name: "slow", Plugin: "aria2"}, NodeName: "local", Health: core.Health{State: core.HealthDegraded}},
			}
		},
		Rates: func() map[core.DownloaderID]core.Progress {
			return map[core.DownloaderID]core.Progress{"d1": {DownloadRate: 1024, UploadRate: 16}}
		},
	}
}

func filled(t *testing.T, s Snapshots) *Metrics {
	t.Helper()
	m := New()
	if err := m.Watch(s); err != nil {
		t.Fatal(err)
	}
	m.Build("1.2.3")
	m.TaskTransition(core.StateCompleted)
	m.TaskTransition(core.StateCompleted)
	m.TaskTransition("made_up")
	m.StoreCommit(3*time.Millisecond, 16)
	return m
}

func scrape(t *testing.T, m *Metrics) (string, int) {
	t.Helper()
	rec := httptest.NewRecorder()
	m.Handler().ServeHTTP(rec, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body), rec.Code
}

func TestAScrapeShowsHowTheServerFares(t *testing.T) {
	body, status := scrape(t, filled(t, sample()))
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	for _, want := range []string{
		`haul_tasks{state="downloading"} 3`,
		`haul_tasks{state="queued"} 0`,
		`haul_task_transitions_total{state="completed"} 2`,
		`haul_task_transitions_total{state="failed"} 0`,
		`haul_downloader_up{downloader="fast",node="local",plugin="aria2"} 1`,
		`haul_downloader_up{downloader="slow",node="local",plugin="aria2"} 0`,
		`haul_downloader_active_jobs{downloader="fast",node="local",plugin="aria2"} 5`,
		`haul_downloader_max_active_jobs{downloader="fast",node="local",plugin="aria2"} 7`,
		`haul_downloader_download_rate_bytes{downloader="fast",node="local",plugin="aria2"} 1024`,
		`haul_downloader_upload_rate_bytes{downloader="fast",node="local",plugin="aria2"} 16`,
		`haul_plugin_restarts_total{downloader="fast",node="local",plugin="aria2"} 2`,
		`haul_store_commit_duration_seconds_count 1`,
		`haul_store_commit_transactions_sum 16`,
		`version="1.2.3"} 1`, `go_goroutines `, `process_resident_memory_bytes `,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("the scrape lacks %q", want)
		}
	}
	for _, never := range []string{"made_up", "s3cret", "example.com", "4711"} {
		if strings.Contains(body, never) {
			t.Errorf("the scrape shows %q", never)
		}
	}
}

func TestMetricsFollowTheConventionsAndHaveBoundedLabels(t *testing.T) {
	families, err := filled(t, sample()).Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	bounded := []string{"state", "downloader", "node", "plugin", "group", "code", "route", "version", "goversion"}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "go_") || strings.HasPrefix(f.GetName(), "process_") {
			continue
		}
		if !strings.HasPrefix(f.GetName(), "haul_") {
			t.Errorf("%s does not begin with haul_", f.GetName())
		}
		for _, metric := range f.GetMetric() {
			for _, label := range metric.GetLabel() {
				if !slices.Contains(bounded, label.GetName()) {
					t.Errorf("%s has the label %s", f.GetName(), label.GetName())
				}
			}
		}
	}
}

func TestASnapshotThatFailsHidesNothingElse(t *testing.T) {
	s := sample()
	s.Tasks = func(context.Context) (map[core.TaskState]int64, error) { return nil, errors.New("disk gone") }
	body, status := scrape(t, filled(t, s))
	if status != http.StatusOK || strings.Contains(body, "haul_tasks{") || !strings.Contains(body, "haul_downloader_up{") {
		t.Errorf("status %d:\n%s", status, body)
	}
}

func TestWatchingTwiceIsAnErrorAndNoPanic(t *testing.T) {
	if err := filled(t, sample()).Watch(sample()); err == nil {
		t.Error("no error")
	}
}
