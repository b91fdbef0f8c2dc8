package driver

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// BenchmarkCheck1000 is what a tick costs with a thousand jobs at the daemon, of
// which none or all are active.
func BenchmarkCheck1000(b *testing.B) {
	b.Run("paused", func(b *testing.B) { benchmarkCheck(b, 1000, true) })
	b.Run("active", func(b *testing.B) { benchmarkCheck(b, 1000, false) })
}

func benchmarkCheck(b *testing.B, n int, paused bool) {
	a := startAria2(b, "max-concurrent-downloads="+strconv.Itoa(n))
	proxy := startCountingProxy(b, a)
	d := newDriver(b, proxy.settings())
	refs := addMagnets(b, d, n, paused)
	look := func() {
		got, err := d.Check(b.Context(), refs)
		if err != nil || len(got) != n {
			b.Fatal(len(got), err)
		}
	}
	settle(b, proxy, look)
	d = newDriver(b, a.settings()) // without the proxy
	settle(b, proxy, look)
	measure(b, a, look)
}

// settle looks until a look takes no more than one request.
func settle(b *testing.B, p *countingProxy, look func()) {
	b.Helper()
	eventually(b, "a look takes one request", func() bool {
		before := p.count.Load()
		look()
		return p.count.Load() <= before+1
	})
}

// BenchmarkNaiveCheck1000 is the same with a request for each job.
func BenchmarkNaiveCheck1000(b *testing.B) {
	const n = 1000
	a := startAria2(b, "max-concurrent-downloads="+strconv.Itoa(n))
	d := newDriver(b, a.settings())
	refs := addMagnets(b, d, n, false)
	measure(b, a, func() {
		for _, ref := range refs {
			res, err := d.client.Do(b.Context(), aria2rpc.NewCall("aria2.tellStatus", gidOf(ref.JobID), bulkKeys))
			var t task
			if err != nil || res[0].Decode(&t) != nil {
				b.Fatal(err)
			}
		}
	})
}

// addMagnets adds links of torrents that nobody has.
func addMagnets(b *testing.B, d *Driver, n int, paused bool) []downloader.Ref {
	b.Helper()
	refs, dir := make([]downloader.Ref, n), b.TempDir()
	var wg sync.WaitGroup
	for i := range refs {
		wg.Go(func() {
			var err error
			refs[i], err = d.Add(b.Context(), downloader.AddRequest{
				JobID: fmt.Sprint("job-", i), Dir: dir, Paused: paused,
				Source: downloader.Source{Kind: downloader.SourceMagnet, URI: fmt.Sprintf("magnet:?xt=urn:btih:%040x", i+1)},
			})
			if err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	return refs
}

// measure reports what looks cost this process and the daemon.
func measure(b *testing.B, a *aria2, look func()) {
	b.Helper()
	defer reportCPU(b, a)()
	own := func() time.Duration {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	before := own()
	for b.Loop() {
		look()
	}
	b.ReportMetric(float64((own()-before).Microseconds())/1000/float64(b.N), "plugin-ms/op")
}

// BenchmarkAdd500 is from the first of 500 concurrent adds to the last
// completion pushed, with files of 100 KiB.
func BenchmarkAdd500(b *testing.B) {
	a, w := startAria2(b), startWeb(b)
	d := newDriver(b, a.settings())
	a.call("aria2.changeGlobalOption", nil, map[string]string{"max-concurrent-downloads": "500", "max-download-result": "100000"})
	pushed := watch(b, d)
	const n = 500
	defer reportCPU(b, a)()
	for round := 0; b.Loop(); round++ {
		dir := b.TempDir()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				src := httpSource(w.URL + "/file/102400/x")
				src.Name = fmt.Sprint(i)
				add(b, d, fmt.Sprint(round, "-", i), dir, src)
			})
		}
		wg.Wait()
		for left := n; left > 0; {
			s, ok := <-pushed
			if !ok {
				b.Fatalf("%d completions were never pushed", left)
			}
			if s.Phase == downloader.PhaseComplete {
				left--
			}
		}
	}
}

// BenchmarkDirect500 is the same without haul: one multicall, and a look at the
// number of stopped downloads.
func BenchmarkDirect500(b *testing.B) {
	a, w := startAria2(b), startWeb(b)
	a.call("aria2.changeGlobalOption", nil, map[string]string{"max-concurrent-downloads": "500", "max-download-result": "100000"})
	d := newDriver(b, a.settings())
	const n = 500
	defer reportCPU(b, a)()
	for round := 0; b.Loop(); round++ {
		dir := b.TempDir()
		calls := make([]aria2rpc.Call, n)
		for i := range calls {
			calls[i] = addURI(options{"dir": dir, "out": fmt.Sprint(i), "file-allocation": "none"}, w.URL+"/file/102400/x")
		}
		if _, err := d.client.Do(b.Context(), calls...); err != nil {
			b.Fatal(err)
		}
		for {
			res, err := d.client.Do(b.Context(), aria2rpc.NewCall("aria2.getGlobalStat"))
			if err != nil {
				b.Fatal(err)
			}
			var stat map[string]string
			if err := res[0].Decode(&stat); err != nil {
				b.Fatal(err)
			}
			if stat["numStoppedTotal"] == fmt.Sprint(n*(round+1)) {
				break
			}
			time.Sleep(2 * time.Millisecond) // between two looks
		}
	}
}

// reportCPU reports what the daemon itself spent, which does not depend on
// whoever else uses the machine.
func reportCPU(b *testing.B, a *aria2) func() {
	b.Helper()
	spent := func() float64 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.PID))
		if err != nil {
			b.Fatal(err)
		}
		f := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
		user, _ := strconv.Atoi(f[12])
		system, _ := strconv.Atoi(f[13])
		return float64(user+system) * 10 // of 10 ms each
	}
	before := spent()
	return func() { b.ReportMetric((spent()-before)/float64(b.N), "aria2-ms/op") }
}
