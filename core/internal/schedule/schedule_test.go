package schedule

import (
	"fmt"
	"testing"
	"unique"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

var allKinds = core.SourceKinds

func candidate(id string, change func(*Candidate)) Candidate {
	c := Candidate{ID: core.DownloaderID(id), Node: "n1", Name: id, Enabled: true, Sources: allKinds, MaxActive: 10, Weight: 1}
	if change != nil {
		change(&c)
	}
	return c
}

func TestPlace(t *testing.T) {
	http := Want{Kind: downloader.SourceHTTP}
	tests := []struct {
		name       string
		want       Want
		candidates []Candidate
		chosen     string
		waiting    errs.Code
	}{
		{"the only one is chosen", http, []Candidate{candidate("a", nil)}, "a", ""},
		{"the least loaded one is chosen", http, []Candidate{candidate("a", func(c *Candidate) { c.Active = 3 }), candidate("b", func(c *Candidate) { c.Active = 2 })}, "b", ""},
		{"a heavier one takes more", http, []Candidate{candidate("a", nil), candidate("b", func(c *Candidate) { c.Active, c.Weight = 2, 4 })}, "b", ""},
		{"one that does not take the source is passed over", Want{Kind: downloader.SourceMagnet}, []Candidate{candidate("a", func(c *Candidate) { c.Sources = []downloader.SourceKind{downloader.SourceHTTP} }), candidate("b", func(c *Candidate) { c.Active = 9 })}, "b", ""},
		{"the owner's downloader is taken though another has less to do", Want{Kind: downloader.SourceHTTP, Downloader: "b"}, []Candidate{candidate("a", nil), candidate("b", func(c *Candidate) { c.Active = 9 })}, "b", ""},
		{"the owner's node is respected", Want{Kind: downloader.SourceHTTP, Node: "n2"}, []Candidate{candidate("a", nil), candidate("b", func(c *Candidate) { c.Node = "n2" })}, "b", ""},
		{"a full one makes it wait", http, []Candidate{candidate("a", func(c *Candidate) { c.Active = 10 })}, "", core.WaitingForSlot},
		{"one in trouble makes it wait and says why", http, []Candidate{candidate("a", func(c *Candidate) { c.Trouble = &core.Waiting{Code: errs.DownloaderUnreachable} })}, "", errs.DownloaderUnreachable},
		{"one in trouble is passed over", http, []Candidate{candidate("a", func(c *Candidate) { c.Trouble = &core.Waiting{Code: errs.DownloaderUnreachable} }), candidate("b", nil)}, "b", ""},
		{"a disabled one says so", http, []Candidate{candidate("a", func(c *Candidate) { c.Enabled = false })}, "", errs.DownloaderDisabled},
		{"trouble is told rather than that another is disabled", http, []Candidate{candidate("a", func(c *Candidate) { c.Enabled = false }), candidate("b", func(c *Candidate) { c.Active = 10 })}, "", core.WaitingForSlot},
		{"a plugin that has not described itself yet makes it wait", http, []Candidate{candidate("a", func(c *Candidate) { c.Sources = nil })}, "", errs.PluginStarting},
		{"nobody takes it", http, nil, "", errs.NoDownloaderForSource},
		{"one that cannot select files is passed over", Want{Kind: downloader.SourceMagnet, Select: true}, []Candidate{candidate("a", nil), candidate("b", selects)}, "b", ""},
		{"one that does not take the options is passed over", Want{Kind: downloader.SourceHTTP, Options: unique.Make("split")}, []Candidate{candidate("a", takes("x")), candidate("b", takes("split"))}, "b", ""},
		{"nobody takes the options any more", Want{Kind: downloader.SourceHTTP, Options: unique.Make("split")}, []Candidate{candidate("a", takes("x"))}, "", errs.InvalidOptions},
		{"what a plugin takes is not known yet", Want{Kind: downloader.SourceHTTP, Select: true, Options: unique.Make("split")}, []Candidate{candidate("a", func(c *Candidate) { c.Sources = nil })}, "", errs.PluginStarting},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i, why := Place(tt.want, tt.candidates)
			if tt.chosen != "" {
				if i < 0 || string(tt.candidates[i].ID) != tt.chosen {
					t.Fatalf("got index %d (%+v), want %q", i, why, tt.chosen)
				}
				return
			}
			if i >= 0 || why == nil || why.Code != tt.waiting {
				t.Fatalf("got index %d, waiting %+v, want %q", i, why, tt.waiting)
			}
		})
	}
}

func selects(c *Candidate) {
	c.Capabilities = []downloader.Capability{downloader.CapabilitySelectFiles}
}

func takes(only string) func(*Candidate) {
	return func(c *Candidate) {
		c.CheckOptions = func(options string) error {
			if options == only {
				return nil
			}
			return errs.New(errs.InvalidOptions, "%s takes %s alone.", c.Name, only).WithField("options", "do not fit")
		}
	}
}

func disabled(change func(*Candidate)) func(*Candidate) {
	return func(c *Candidate) {
		change(c)
		c.Enabled = false
	}
}

func TestCheckTellsWhatNobodyCouldEverTake(t *testing.T) {
	split := Want{Kind: downloader.SourceHTTP, Options: unique.Make("split")}
	chosen := split
	chosen.Downloader = "b"
	tests := []struct {
		name       string
		want       Want
		candidates []Candidate
		message    string
	}{
		{"one of two takes it", split, []Candidate{candidate("a", takes("x")), candidate("b", takes("split"))}, ""},
		{"one that is full takes it later", split, []Candidate{candidate("b", func(c *Candidate) { takes("split")(c); c.Active = 10 })}, ""},
		{"the error is that of the first enabled one", split, []Candidate{candidate("a", disabled(takes("x"))), candidate("b", takes("y")), candidate("c", takes("z"))}, "b takes y alone."},
		{"a disabled one that would take it does not count beside enabled ones", split, []Candidate{candidate("a", disabled(takes("split"))), candidate("b", takes("y"))}, "b takes y alone."},
		{"a disabled one counts where there is no other", split, []Candidate{candidate("a", disabled(takes("split")))}, ""},
		{"a chosen one counts though it is disabled", chosen, []Candidate{candidate("a", takes("x")), candidate("b", disabled(takes("split")))}, ""},
		{"a chosen one that does not take it", chosen, []Candidate{candidate("a", takes("split")), candidate("b", takes("y"))}, "b takes y alone."},
		{"one that takes no options", split, []Candidate{candidate("a", nil)}, "Downloader \"a\" takes no options."},
		{"one that cannot select files", Want{Kind: downloader.SourceMagnet, Select: true}, []Candidate{candidate("a", nil)}, "Downloader \"a\" cannot load single files."},
		{"nobody takes the source", Want{Kind: downloader.SourceFTP}, []Candidate{candidate("a", func(c *Candidate) { c.Sources = []downloader.SourceKind{downloader.SourceHTTP} })}, "No downloader takes a source of kind \"ftp\"."},
		{"the chosen one does not take the source", Want{Kind: downloader.SourceFTP, Downloader: "a"}, []Candidate{candidate("a", func(c *Candidate) { c.Sources = []downloader.SourceKind{downloader.SourceHTTP} })}, "The chosen downloader does not take a source of kind \"ftp\"."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Check(tt.want, tt.candidates)
			if tt.message == "" && err != nil || tt.message != "" && (err == nil || errs.MessageOf(err) != tt.message) {
				t.Errorf("got %v, want %q", err, tt.message)
			}
		})
	}
}

func TestATaskIsInTheQueueOnce(t *testing.T) {
	q := NewQueue()
	http, magnet := Want{Kind: downloader.SourceHTTP}, Want{Kind: downloader.SourceMagnet}
	for _, id := range []core.TaskID{"c", "a", "b", "a", "d"} {
		q.Push(http, id)
	}
	q.Push(magnet, "b") // it wants something else now
	q.Remove("d")
	q.Remove("d")
	got := ""
	for _, a := range q.Assign([]Candidate{candidate("x", nil)}, 10) {
		got += string(a.Task)
	}
	if got != "abc" || q.Len() != 0 {
		t.Errorf("assigned %q, left %d", got, q.Len())
	}
}

func TestQueueStartsTheOldestThatCanStart(t *testing.T) {
	q := NewQueue()
	magnet, http := Want{Kind: downloader.SourceMagnet}, Want{Kind: downloader.SourceHTTP}
	for i := range 5 {
		q.Push(magnet, core.TaskID(fmt.Sprintf("m%d", i)))
	}
	q.Push(http, "z1")
	q.Push(http, "a1")
	onlyHTTP := []Candidate{candidate("a", func(c *Candidate) { c.Sources = []downloader.SourceKind{downloader.SourceHTTP} })}
	got := q.Assign(onlyHTTP, 10)
	if len(got) != 2 || got[0].Task != "a1" || got[1].Task != "z1" {
		t.Fatalf("got %+v, want a1 and z1: the magnets must not block them", got)
	}
	if q.Len() != 5 || onlyHTTP[0].Active != 2 {
		t.Fatalf("left %d, active %d", q.Len(), onlyHTTP[0].Active)
	}
	all := []Candidate{candidate("a", func(c *Candidate) { c.MaxActive = 3 })}
	if got = q.Assign(all, 10); len(got) != 3 || got[0].Task != "m0" || got[2].Task != "m2" {
		t.Fatalf("got %+v, want m0 to m2: a full downloader takes no more", got)
	}
	q.Push(magnet, "m0")
	all[0].Active = 0
	if got = q.Assign(all, 1); len(got) != 1 || got[0].Task != "m0" {
		t.Fatalf("got %+v: one that was put back keeps its place", got)
	}
}

func BenchmarkAssignFrom100000(b *testing.B) {
	q := NewQueue()
	for i := range 100_000 {
		q.Push(Want{Kind: allKinds[i%len(allKinds)]}, core.NewID[core.TaskID]())
	}
	for b.Loop() {
		cs := []Candidate{candidate("a", func(c *Candidate) { c.MaxActive = 256 })}
		for _, a := range q.Assign(cs, 256) {
			q.Push(a.Want, a.Task)
		}
	}
}

func TestAFullDownloaderCostsNoLookAtOptions(t *testing.T) {
	q := NewQueue()
	for i := range 100 {
		q.Push(Want{Kind: downloader.SourceHTTP, Options: unique.Make(fmt.Sprint(i))}, core.TaskID(fmt.Sprintf("t%03d", i)))
	}
	looks := 0
	c := candidate("a", func(c *Candidate) {
		c.MaxActive = 3
		c.CheckOptions = func(string) error { looks++; return nil }
	})
	got := q.Assign([]Candidate{c}, 50)
	if len(got) != 3 || got[0].Task != "t000" || got[2].Task != "t002" || looks != 3 {
		t.Errorf("got %+v after %d looks", got, looks)
	}
}

func BenchmarkAssignAmongManyWants(b *testing.B) {
	q := NewQueue()
	for i := range 10_000 {
		options := unique.Make(fmt.Sprintf(`{"checksum":"%d"}`, i))
		q.Push(Want{Kind: downloader.SourceHTTP, Downloader: "full", Options: options}, core.NewID[core.TaskID]())
	}
	full := candidate("full", func(c *Candidate) {
		c.MaxActive = 0
		c.CheckOptions = func(string) error { return nil }
	})
	for b.Loop() {
		if got := q.Assign([]Candidate{full, candidate("other", nil)}, 512); len(got) > 0 {
			b.Fatal(got)
		}
	}
}
