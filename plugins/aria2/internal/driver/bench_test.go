package driver

import (
	"fmt"
	"testing"

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
