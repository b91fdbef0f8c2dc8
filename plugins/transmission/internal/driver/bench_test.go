package driver

import (
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
)

// BenchmarkCheck measures a look at 1,000 jobs: as the driver makes it, as one
// call for each job, and in the other shapes that the daemon offers.
func BenchmarkCheck(b *testing.B) {
	const jobs = 1000
	daemon := lab.StartTransmission(b, lab.TransmissionOptions{})
	be := &bench{t: b, daemon: daemon, driver: newLoggingDriver(b, settingsOf(daemon), hclog.NewNullLogger())}
	refs := be.addPaused(jobs)
	hashes := make([]string, jobs)
	for i, ref := range refs {
		hashes[i] = hashOf(ref)
	}
	check := func(b *testing.B, refs []downloader.Ref) {
		b.Helper()
		got, err := be.driver.Check(b.Context(), refs)
		if err != nil || len(got) != len(refs) {
			b.Fatalf("%d, %v", len(got), err)
		}
	}
	get := func(args map[string]any) func(*testing.B) {
		return func(b *testing.B) {
			args["fields"] = lookFields
			for b.Loop() {
				var out any
				if err := be.driver.client.Call(b.Context(), "torrent-get", args, &out); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.Run("all at once", func(b *testing.B) {
		for b.Loop() {
			check(b, refs)
		}
	})
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			for i := range refs {
				check(b, refs[i:i+1])
			}
		}
	})
	b.Run("ten of them", func(b *testing.B) {
		for b.Loop() {
			check(b, refs[:10])
		}
	})
	b.Run("call/table of all", get(map[string]any{"format": "table"}))
	b.Run("call/table by hashes", get(map[string]any{"format": "table", "ids": hashes}))
	b.Run("call/objects of all", get(map[string]any{}))
	b.Run("call/recently active", get(map[string]any{"ids": "recently-active", "format": "table"}))
}
