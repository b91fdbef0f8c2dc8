package nodes

import (
	"sync"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestChangesAtTheSameTimeAreAllKept(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	w.create("d", `{"address":"h:1"}`)
	for i := 2; i < 12; i++ {
		var both sync.WaitGroup
		for _, c := range []*core.DownloaderChange{{MaxActive: &i}, {Weight: &i}} {
			both.Go(func() {
				if _, err := w.service.Update(w.admin, "d", c); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		d, err := w.service.Downloader("d")
		if err != nil {
			t.Fatal(err)
		}
		if d.MaxActive != i || d.Weight != i || d.Revision != int64(2*i-1) {
			t.Fatalf("round %d: %d places, weight %d, revision %d", i, d.MaxActive, d.Weight, d.Revision)
		}
	}
}

func TestAChangeDoesNotBringADeletedDownloaderBack(t *testing.T) {
	w := newWorld(t, false)
	w.online(plugin("p", false))
	for range 10 {
		w.create("d", `{"address":"h:1"}`)
		var both sync.WaitGroup
		both.Go(func() {
			two := 2
			if _, err := w.service.Update(w.admin, "d", &core.DownloaderChange{Weight: &two}); err != nil && !errs.Is(err, errs.NotFound) {
				t.Error(err)
			}
		})
		both.Go(func() {
			if err := w.service.Delete(w.admin, "d"); err != nil {
				t.Error(err)
			}
		})
		both.Wait()
		if d, err := w.service.Downloader("d"); !errs.Is(err, errs.NotFound) {
			t.Fatalf("it is back: %+v", d)
		}
	}
}
