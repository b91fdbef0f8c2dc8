package driver

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// BenchmarkCheck1000 is what a tick costs with a thousand jobs at the daemon.
func BenchmarkCheck1000(b *testing.B) {
	a, w := startAria2(b), startWeb(b)
	d := newDriver(b, a.settings())
	const n = 1000
	refs := make([]downloader.Ref, n)
	dir := b.TempDir()
	for i := range refs {
		refs[i] = add(b, d, fmt.Sprint("job-", i), dir, httpSource(w.URL+"/held/10/x"))
	}
	b.ResetTimer()
	for b.Loop() {
		got, err := d.Check(b.Context(), refs)
		if err != nil || len(got) != n {
			b.Fatal(len(got), err)
		}
	}
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
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid))
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
