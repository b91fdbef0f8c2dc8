package tasks

import (
	"fmt"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/core/internal/store/bolt"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// BenchmarkQueuedStart measures a start with 100,000 queued tasks: until the
// service has them and has found that none can start.
func BenchmarkQueuedStart(b *testing.B) {
	const queued = 100_000
	dir := b.TempDir()
	st, closeStore := benchStore(b, dir)
	fresh := make([]store.NewTask, 0, 1000)
	for i := range queued {
		fresh = append(fresh, store.NewTask{Task: benchTask(i)})
		if len(fresh) == cap(fresh) {
			if err := st.CreateTasks(b.Context(), fresh); err != nil {
				b.Fatal(err)
			}
			fresh = fresh[:0]
		}
	}
	closeStore()
	for b.Loop() {
		st, closeStore := benchStore(b, dir)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		s, err := New(b.Context(), Options{
			Store: st, Registry: &registry{candidate: schedule.Candidate{
				Enabled: true, Sources: []downloader.SourceKind{downloader.SourceMagnet}, MaxActive: 1,
				Trouble: &core.Waiting{Code: errs.DownloaderUnreachable},
			}}, Logger: hclog.NewNullLogger(), Clock: time.Now, TorrentLimit: 1 << 20,
		})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.admit(b.Context()); err != nil {
			b.Fatal(err)
		}
		took := time.Since(began)
		runtime.ReadMemStats(&after)
		b.ReportMetric(took.Seconds(), "s/start")
		b.ReportMetric(float64(after.Sys)/(1<<20), "MiB-sys")
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-kept")
		if n := s.waiting.queue.Len(); n != queued {
			b.Fatalf("%d tasks are queued", n)
		}
		closeStore()
	}
}

func benchStore(b *testing.B, dir string) (*store.Store, func()) {
	b.Helper()
	box, err := secret.Open(filepath.Join(dir, "key"))
	if err != nil {
		b.Fatal(err)
	}
	db, err := bolt.Open(filepath.Join(dir, "db"), bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	st, err := store.New(b.Context(), db, store.Options{Box: box})
	if err != nil {
		b.Fatal(err)
	}
	return st, func() {
		if err := db.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func benchTask(i int) core.Task {
	hash := fmt.Sprintf("%040x", i)
	return core.Task{
		ID: core.NewID[core.TaskID](), Owner: "0190a000-0000-7000-8000-00000000000a", Wish: core.WishRun, State: core.StateQueued,
		Attempt: 1, Name: "A name of the usual length, 2026, 1080p", InfoHash: hash, CreatedAt: time.Now().UTC(),
		Source:      core.TaskSource{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btih:" + hash + "&dn=name&tr=udp%3A%2F%2Ftracker.example%3A1337"},
		Destination: core.Destination{Storage: "0190a000-0000-7000-8000-00000000000b", Path: "films"},
		Retries:     core.Retries{Limit: 3}, Options: []byte(`{"download_limit":1000000}`),
	}
}

// BenchmarkProgress measures what a look at 10,000 running jobs costs here, where
// all of them have moved and nothing is stored.
func BenchmarkProgress(b *testing.B) {
	const running = 10_000
	st, closeStore := benchStore(b, b.TempDir())
	defer closeStore()
	s, err := New(b.Context(), Options{Store: st, Registry: &registry{}, Logger: hclog.NewNullLogger(), Clock: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	report := make([]core.ObservedJob, running)
	for i := range running {
		t := benchTask(i)
		job := &core.Job{ID: core.NewID[core.JobID](), Node: "n", Downloader: "d", InfoHash: t.InfoHash}
		job.Join(core.Delivery{Task: t.ID})
		t.Start(job, time.Now())
		t.State, t.TotalBytes = core.StateDownloading, 1<<30
		s.live.add(job, t)
		report[i] = core.ObservedJob{
			ID: job.ID, Revision: 1, Phase: core.JobDownloading, Name: t.Name, InfoHash: t.InfoHash,
			Deliveries: []core.ObservedDelivery{{Task: t.ID, Phase: core.JobDownloading, TotalBytes: 1 << 30}},
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		for i := range report {
			report[i].Deliveries[0].DoneBytes++
		}
		if _, err := s.Observe(b.Context(), "n", report); err != nil {
			b.Fatal(err)
		}
	}
}
