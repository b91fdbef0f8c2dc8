package driver

import (
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
)

// BenchmarkCheck measures what a look at a thousand jobs costs: by differences,
// with everything told anew, and by the naive way of a call for each job.
func BenchmarkCheck(b *testing.B) {
	bed := newBench(b)
	d := bed.driver()
	refs := addMany(b, bed, d, 1000)
	look := func() {
		statuses, err := d.Check(b.Context(), refs)
		if err != nil || len(statuses) != len(refs) {
			b.Fatal(len(statuses), err)
		}
	}
	eventually(b, "all to be settled", func() bool {
		statuses, err := d.Check(b.Context(), refs)
		if err != nil {
			b.Fatal(err)
		}
		for _, s := range statuses {
			if s.Phase != downloader.PhaseMetadata {
				return false
			}
		}
		return true
	})
	b.Run("differences", func(b *testing.B) {
		for b.Loop() {
			look()
		}
	})
	b.Run("everything", func(b *testing.B) {
		for b.Loop() {
			d.client.Renew(b.Context())
			look()
		}
	})
	b.Run("naive", func(b *testing.B) {
		for b.Loop() {
			for _, ref := range refs {
				h, _ := readHandle(ref)
				if _, err := d.client.Torrents(b.Context(), h.V1); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
