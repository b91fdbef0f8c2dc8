package driver

import (
	"slices"
	"sync"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
)

func TestManyChecksShareOneRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := startProxy(t, b.q.Address, "", startPlain)
	d := newDriver(t, settingsJSON(p.URL, b.q.Username, b.q.Password))
	ref := add(t, d, b.request("dead", true))
	check(t, d, ref)
	before := p.count("sync/maindata")
	var wg sync.WaitGroup
	const calls = 200
	for range calls {
		wg.Go(func() { check(t, d, ref) })
	}
	wg.Wait()
	if n := p.count("sync/maindata") - before; n < 1 || n > calls/2 {
		t.Errorf("%d calls at once made %d requests", calls, n)
	}
	for range 200 {
		check(t, d, ref)
	}
	if n := p.connections(); n > 2 {
		t.Errorf("%d connections were made", n)
	}
}

func TestAThousandJobsCostOneRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p := startProxy(t, b.q.Address, "", startPlain)
	d := newDriver(t, settingsJSON(p.URL, b.q.Username, b.q.Password))
	refs := addMany(t, b, d, 1000)
	statuses, err := d.Check(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statuses {
		if s.Phase == downloader.PhaseGone || s.Phase == downloader.PhaseFailed {
			t.Fatalf("got %+v", s)
		}
	}
	eventually(t, "all to be settled", func() bool {
		statuses, err := d.Check(t.Context(), refs)
		return err == nil && !slices.ContainsFunc(statuses, func(s downloader.Status) bool { return s.Phase != downloader.PhaseMetadata })
	})
	before := p.count("")
	const looks = 10
	for range looks {
		if _, err := d.Check(t.Context(), refs); err != nil {
			t.Fatal(err)
		}
	}
	// Links without metadata are looked at by one more every few seconds.
	if n := p.count("") - before; n < looks || n > looks+2 {
		t.Errorf("%d looks made %d requests", looks, n)
	}
	if n := p.connections(); n > 2 {
		t.Errorf("%d connections were made", n)
	}
}
