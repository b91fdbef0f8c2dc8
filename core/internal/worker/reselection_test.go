package worker

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/downloader"
)

// selecting is a job that a downloader has, with the node that it belongs to.
type selecting struct {
	node *Node
	back *backend
	job  *job
	told [][]int // the selections
}

func newSelecting(want core.Selection, indexes ...int) *selecting {
	s := &selecting{node: &Node{state: newState(), now: time.Now}, back: newBackend(core.DesiredDownloader{})}
	s.job = &job{record: record{Job: core.Job{ID: "j", Wish: core.JobRun}, Phase: core.JobQueued, Ref: &downloader.Ref{JobID: "j"}}}
	s.job.Deliveries = []*deliveryRecord{newDeliveryRecord(core.Delivery{Task: "t", Selection: want})}
	for _, i := range indexes {
		s.job.Files = append(s.job.Files, downloader.File{Index: i, Path: string(rune('a' + i)), Size: 5})
	}
	s.job.fileCount = countFiles(s.job.Files)
	s.node.jobs["j"] = s.job
	s.back.track("j", *s.job.Ref)
	s.back.inst = instanceOf{driver: s}
	return s
}

// instanceOf is a plugin's instance of which the driver alone is needed.
type instanceOf struct {
	Instance
	driver *selecting
}

func (i instanceOf) Driver() downloader.Driver { return driverOf{selecting: i.driver} }
func (i instanceOf) Status() pluginhost.Status { return pluginhost.Status{} }

type driverOf struct {
	downloader.Driver
	*selecting
}

func (d driverOf) SelectFiles(_ context.Context, _ downloader.Ref, files []int) error {
	s := d.selecting
	s.told = append(s.told, files)
	return nil
}

// follows gives the order that is due, where that is one for files.
func (s *selecting) follows(t *testing.T) bool {
	t.Helper()
	s.node.settle(s.job, time.Now())
	if what, _ := s.node.adjusts(s.job); what != adjustFiles {
		return false
	}
	s.job.apply(s.node.adjuster(s.job, s.back)(t.Context()))
	s.job.selectedAt = s.job.selectedAt.Add(-repeatAfter)
	return true
}

// complete is what a daemon says that has loaded all but some files.
func (s *selecting) complete(skipped ...int) {
	status := downloader.Status{JobID: "j", Phase: downloader.PhaseComplete, TotalBytes: 5, DoneBytes: 5}
	for _, f := range s.job.Files {
		f.Skipped = slices.Contains(skipped, f.Index)
		status.Files = append(status.Files, f)
	}
	s.node.onStatus(s.back, &status, s.node.tick())
}

// A daemon that was killed may come back with the selection before the last one,
// and call that complete.
func TestASelectionThatADaemonHasForgottenIsRepeated(t *testing.T) {
	s := newSelecting(core.Selection{}, 0, 1)
	s.job.Applied.Selected = true // before it was told of all, as the task wants it
	for try := range mostReselections {
		s.complete(1)
		if s.job.hasData || !s.follows(t) {
			t.Fatalf("try %d: it is not repeated, complete: %t", try, s.job.hasData)
		}
	}
	s.complete(1)
	if !s.job.hasData {
		t.Error("what the daemon will not load holds the job up for ever")
	}
}

func TestAnotherSelectionIsRepeatedAsOftenAsTheFirst(t *testing.T) {
	s := newSelecting(core.Selection{Indexes: []int{0, 1}}, 0, 1, 2)
	s.job.Applied.Files, s.job.Applied.Selected = []int{0, 1}, true
	for range mostReselections - 1 {
		s.complete(1, 2)
		s.follows(t)
	}
	s.complete(1, 2) // and before that is repeated, it is another one
	want := core.DesiredJob{Job: s.job.Job}
	want.Deliveries, want.Revision = []core.Delivery{{Task: "t"}}, 1
	s.job.order(&want, time.Now())
	if !s.follows(t) {
		t.Fatal("the new selection is not given")
	}
	s.complete(2)
	if s.job.hasData || !s.follows(t) {
		t.Errorf("a new selection is not repeated, complete: %t", s.job.hasData)
	}
}

func TestASelectionOfBeforeAnUpgradeCounts(t *testing.T) {
	s := newSelecting(core.Selection{}, 0, 1)
	s.job.Applied.Files = []int{0} // and nothing says that it was selected
	if !s.follows(t) {
		t.Fatal("all is not ordered")
	}
	s.complete(1)
	if s.job.hasData {
		t.Error("the daemon went back to the file of before, and is believed")
	}
}

// qBittorrent leaves out what only aligns others, and the indexes have gaps then.
func TestAllOfAPaddedTorrentIsAllOfItsFiles(t *testing.T) {
	s := newSelecting(core.Selection{}, 0, 2, 4)
	s.job.Applied.Files = []int{0}
	if !s.follows(t) || !slices.Equal(s.told[0], []int{0, 2, 4}) {
		t.Errorf("all of 0, 2 and 4 is ordered as %v", s.told)
	}
}

func TestTheLastFileOfAPaddedTorrentCanBeSelected(t *testing.T) {
	s := newSelecting(core.Selection{Indexes: []int{4}})
	s.job.knowFiles([]downloader.File{{Index: 0, Path: "a"}, {Index: 2, Path: "b"}, {Index: 4, Path: "c"}}, time.Now())
	if d := s.job.Deliveries[0]; d.Ended || d.Failure != nil {
		t.Errorf("it fails: %+v", d.Failure)
	}
	if s.job.fileCount != 5 {
		t.Errorf("there are %d files", s.job.fileCount)
	}
}

func TestAListWithoutThePaddingAtItsEndTakesNothingBack(t *testing.T) {
	s := newSelecting(core.Selection{Indexes: []int{0, 3}}, 0, 1, 2, 3)
	s.job.knowFiles([]downloader.File{{Index: 0, Path: "a"}, {Index: 2, Path: "c"}}, time.Now())
	if d := s.job.Deliveries[0]; d.Ended || d.Failure != nil {
		t.Errorf("it fails: %+v", d.Failure)
	}
}
