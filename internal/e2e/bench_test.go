package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// The benchmarks here measure the whole product from outside, once each:
// run them with -benchtime 1x, as make bench does.

const (
	manyFiles    = 500
	manyFileSize = 100 << 10
)

// BenchmarkManyFiles measures 500 files of 100 KiB from the first request to
// all of them visible, through haul and by driving the same aria2 past haul,
// in turns.
func BenchmarkManyFiles(b *testing.B) {
	web := lab.StartWeb(b)
	s := Start(b, Options{})
	aria2 := ownAria2(b, s)
	var through, direct []time.Duration
	for i := range max(b.N, 5) {
		direct = append(direct, aria2Directly(b, aria2, web, i))
		through = append(through, throughHaul(b, s, web, i))
	}
	b.ReportMetric(median(direct).Seconds(), "s-direct")
	b.ReportMetric(median(through).Seconds(), "s-haul")
	b.ReportMetric(median(through).Seconds()/median(direct).Seconds(), "haul/direct")
}

func manyURLs(web *lab.Web, run string) []string {
	urls := make([]string, manyFiles)
	for i := range urls {
		urls[i] = fmt.Sprintf("%s/bytes/%d/%s-%03d.bin", web.URL, manyFileSize, run, i)
	}
	return urls
}

func throughHaul(b *testing.B, s *Server, web *lab.Web, run int) time.Duration {
	b.Helper()
	dir := filepath.Join(s.Home(), fmt.Sprintf("run%d", run))
	urls := manyURLs(web, fmt.Sprintf("haul%d", run))
	began := time.Now()
	s.AddWith(map[string]any{"sources": urls, "destination": filepath.Base(dir)})
	waitFiles(b, dir, manyFiles, time.Minute)
	took := time.Since(began)
	WaitFor(b, time.Minute, "all tasks to be completed", func() bool { return len(s.Tasks("completed")) == (run+1)*manyFiles })
	return took
}

func waitFiles(b *testing.B, dir string, n int, within time.Duration) {
	b.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(10 * time.Millisecond) {
		entries, err := os.ReadDir(dir)
		if err == nil && len(entries) == n {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%d of %d files in %s", len(entries), n, dir)
		}
	}
}

// aria2Directly adds everything by one multicall and asks until all is complete.
func aria2Directly(b *testing.B, a *lab.Aria2, web *lab.Web, run int) time.Duration {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "direct")
	calls := make([]any, 0, manyFiles)
	for _, u := range manyURLs(web, fmt.Sprintf("direct%d", run)) {
		calls = append(calls, map[string]any{"methodName": "aria2.addUri", "params": []any{"token:" + a.Secret, []string{u}, map[string]string{"dir": dir}}})
	}
	began := time.Now()
	must := func(result json.RawMessage, err error) json.RawMessage {
		if err != nil {
			b.Fatal(err)
		}
		return result
	}
	must(rpc(a, "system.multicall", []any{calls}))
	for deadline := began.Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		var stat struct{ NumActive, NumWaiting string }
		if err := json.Unmarshal(must(rpc(a, "aria2.getGlobalStat", []any{"token:" + a.Secret})), &stat); err != nil {
			b.Fatal(err)
		}
		if stat.NumActive == "0" && stat.NumWaiting == "0" {
			break
		}
		if time.Now().After(deadline) {
			b.Fatal("aria2 alone did not end")
		}
	}
	took := time.Since(began)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != manyFiles {
		b.Fatalf("%d files, %v", len(entries), err)
	}
	must(rpc(a, "aria2.purgeDownloadResult", []any{"token:" + a.Secret}))
	return took
}

// BenchmarkLatency measures from the last byte served to the file visible at
// its destination and the task completed.
func BenchmarkLatency(b *testing.B) {
	web := lab.StartWeb(b)
	s := Start(b, Options{})
	var took []time.Duration
	for i := range max(b.N, 40) {
		name := fmt.Sprintf("gate-%03d.bin", i)
		gate := web.Gate(name, 100_000)
		id := s.Add(gate.URL)[0].ID
		gate.Wait()
		last := gate.Release()
		path := filepath.Join(s.Home(), name)
		for deadline := last.Add(time.Minute); ; time.Sleep(time.Millisecond) {
			if _, err := os.Stat(path); err == nil && s.Task(id).State == "completed" {
				break
			}
			if time.Now().After(deadline) {
				b.Fatalf("task %+v", s.Task(id))
			}
		}
		took = append(took, time.Since(last))
	}
	b.ReportMetric(float64(median(took).Microseconds())/1000, "ms-median")
	b.ReportMetric(float64(slices.Max(took).Microseconds())/1000, "ms-max")
}

// BenchmarkCreateTask measures POST /tasks, each answer being durable, with one
// and with 16 clients.
func BenchmarkCreateTask(b *testing.B) {
	s := Start(b, Options{})
	s.Must("PATCH", "/downloaders/aria2", map[string]any{"enabled": false}, nil)
	for _, clients := range []int{1, 16} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) {
			const lasting = 3 * time.Second
			before := CPUTime(b, s.PID())
			n := postTasks(b, s, clients, lasting)
			b.ReportMetric(float64(n)/lasting.Seconds(), "posts/s")
			b.ReportMetric(float64((CPUTime(b, s.PID())-before).Microseconds())/float64(n), "cpu-µs/post")
		})
	}
}

func postTasks(b *testing.B, s *Server, clients int, lasting time.Duration) int {
	b.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	counts := make([]int, clients)
	var wg sync.WaitGroup
	deadline := time.Now().Add(lasting)
	for c := range clients {
		wg.Go(func() {
			for ; time.Now().Before(deadline); counts[c]++ {
				body := fmt.Sprintf(`{"sources":["http://127.0.0.1:1/%d-%d.bin"]}`, c, counts[c])
				req, err := http.NewRequest("POST", s.URL+"/api/v1/tasks", bytes.NewReader([]byte(body)))
				if err != nil {
					b.Error(err)
					return
				}
				req.Header.Set("Authorization", "Bearer "+s.Token)
				req.Header.Set("Content-Type", "application/json")
				resp, err := client.Do(req)
				if err != nil {
					b.Error(err)
					return
				}
				var sink bytes.Buffer
				_, _ = sink.ReadFrom(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusCreated {
					b.Errorf("status %d: %s", resp.StatusCode, sink.Bytes())
					return
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range counts {
		sum += n
	}
	return sum
}

// BenchmarkRunning measures 447 downloads of 1 KiB/s each: the processor time of
// core and plugin over a minute, how many of them show a rate at each second,
// and how many advance in 20 s.
func BenchmarkRunning(b *testing.B) {
	const running, lasting = 447, 60 * time.Second
	web := lab.StartWeb(b)
	s := Start(b, Options{})
	plugin := s.WaitHealthy("aria2").PluginPID
	urls := make([]string, running)
	for i := range urls {
		urls[i] = fmt.Sprintf("%s/slow/1024/%d/r%03d.bin", web.URL, 1<<20, i)
	}
	s.AddWith(map[string]any{"sources": urls})
	WaitFor(b, 2*time.Minute, "all to be loading", func() bool { return len(s.Tasks("downloading")) == running })

	coreBefore, pluginBefore := CPUTime(b, s.PID()), CPUTime(b, plugin)
	time.Sleep(lasting)
	core := (CPUTime(b, s.PID()) - coreBefore).Seconds() / lasting.Seconds() * 100
	plug := (CPUTime(b, plugin) - pluginBefore).Seconds() / lasting.Seconds() * 100
	b.ReportMetric(core, "%cpu-core")
	b.ReportMetric(plug, "%cpu-plugin")
	b.ReportMetric(core+plug, "%cpu")

	// aria2 counts what is done in blocks of 16 KiB, which take 16 s here; the
	// rate is what it tells anew each second.
	least := running
	first := running1KiB(s)
	for range 20 {
		time.Sleep(time.Second)
		moving := 0
		for _, t := range running1KiB(s) {
			if t.Progress.DownloadRate > 0 {
				moving++
			}
		}
		least = min(least, moving)
	}
	advanced := 0
	for id, t := range running1KiB(s) {
		if t.Progress.DoneBytes > first[id].Progress.DoneBytes {
			advanced++
		}
	}
	b.ReportMetric(float64(least), "with-rate-of-447")
	b.ReportMetric(float64(advanced), "advanced-of-447")
}

func running1KiB(s *Server) map[string]Task {
	out := map[string]Task{}
	for _, t := range s.Tasks("downloading") {
		out[t.ID] = t
	}
	return out
}

// BenchmarkIdle measures the memory and the processor time of an idle server.
func BenchmarkIdle(b *testing.B) {
	const lasting = 20 * time.Second
	s := Start(b, Options{})
	plugin := s.WaitHealthy("aria2").PluginPID
	time.Sleep(5 * time.Second)
	before := CPUTime(b, s.PID(), plugin)
	time.Sleep(lasting)
	b.ReportMetric((CPUTime(b, s.PID(), plugin)-before).Seconds()/lasting.Seconds()*100, "%cpu")
	b.ReportMetric(float64(RSS(b, s.PID()))/(1<<20), "MiB-core")
	b.ReportMetric(float64(RSS(b, plugin))/(1<<20), "MiB-plugin")
}

func median(d []time.Duration) time.Duration {
	d = slices.Sorted(slices.Values(d))
	return d[len(d)/2]
}
