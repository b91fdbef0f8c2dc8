package e2e

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// BenchmarkActiveJobs measures what 10,000 jobs cost that load, each a little
// further at each look: processor time of core, its memory, and its commits.
func BenchmarkActiveJobs(b *testing.B) {
	const active, looks = 10_000, 30
	s := withSteady(b, active)
	s.addMany(active)
	WaitFor(b, 5*time.Minute, "all to load", func() bool {
		time.Sleep(time.Second)
		return s.metric("haul_tasks", `state="downloading"`) == active
	})
	time.Sleep(time.Minute) // what the starts took is given back

	commits, cpu, began := s.commits(), CPUTime(b, s.PID()), time.Now()
	var memory []int64
	for range looks {
		time.Sleep(time.Second)
		memory = append(memory, RSS(b, s.PID()))
	}
	cpu, took := CPUTime(b, s.PID())-cpu, time.Since(began)
	slices.Sort(memory)
	b.ReportMetric(100*cpu.Seconds()/took.Seconds(), "%-of-a-core")
	b.ReportMetric(float64(s.commits()-commits), "commits")
	b.ReportMetric(float64(memory[looks/2])/(1<<20), "MiB")
	b.ReportMetric(float64(memory[looks-1])/(1<<20), "MiB-most")
}

// BenchmarkQueuedTasks measures how long a server takes to be ready that has
// 100,000 queued tasks, and its memory then.
func BenchmarkQueuedTasks(b *testing.B) {
	const queued = 100_000
	s := withSteady(b, 1)
	s.addMany(queued)
	s.Stop()
	began := time.Now()
	s.Restart()
	b.ReportMetric(time.Since(began).Seconds(), "s-start")
	time.Sleep(10 * time.Second)
	b.ReportMetric(float64(RSS(b, s.PID()))/(1<<20), "MiB")
}

// withSteady starts a server with the plugin in testdata/steady.
func withSteady(b *testing.B, active int) *Server {
	b.Helper()
	s := Start(b, Options{})
	if err := goBuild(filepath.Join(s.Data, "plugins", "haul-downloader-steady"), "internal/e2e/testdata/steady"); err != nil {
		b.Fatal(err)
	}
	WaitFor(b, 30*time.Second, "the plugin to be found", func() bool {
		return s.Do("POST", "/downloaders", map[string]any{"name": "steady", "plugin": "steady", "settings": map[string]any{}, "max_active": active}).Status == http.StatusCreated
	})
	s.WaitHealthy("steady")
	return s
}

// addMany adds tasks for the plugin in testdata/steady.
func (s *Server) addMany(n int) {
	s.t.Helper()
	const batch = 1000
	for from := 0; from < n; from += batch {
		sources := make([]string, batch)
		for i := range sources {
			sources[i] = fmt.Sprintf("http://127.0.0.1:1/files/%06d.bin", from+i)
		}
		s.AddWith(map[string]any{"sources": sources, "downloader": "steady"})
	}
}

// commits returns how often the server's databases were written to.
func (s *Server) commits() int {
	s.t.Helper()
	return s.metric("haul_store_commit_duration_seconds_count", "") + s.metric("haul_node_journal_commits_total", "")
}

// metric returns the sum of a metric of whole numbers over the series with a label.
func (s *Server) metric(name, label string) int {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, s.URL+"/metrics", http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		s.t.Fatalf("metrics: %s, %v", resp.Status, err)
	}
	sum := 0
	for line := range strings.Lines(string(raw)) {
		series, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if found, labels, _ := strings.Cut(series, "{"); found != name || !strings.Contains(labels, label) {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		sum += int(n)
	}
	return sum
}
