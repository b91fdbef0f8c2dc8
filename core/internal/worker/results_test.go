package worker

import (
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
)

func TestAnAnswerFromBeforeAnOrderDoesNotShowThatItWasFollowed(t *testing.T) {
	n := &Node{state: newState(), now: time.Now}
	b := newBackend(core.DesiredDownloader{})
	j := &job{record: record{Job: core.Job{ID: "j", Wish: core.JobRun}, Phase: core.JobQueued, Ref: &downloader.Ref{JobID: "j"}}}
	n.jobs["j"] = j
	b.track("j", *j.Ref)
	asked := n.tick()
	j.addedAt = n.tick() // resumed meanwhile
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhaseDownloading}, asked)
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhasePaused}, n.tick())
	if what, _ := n.adjusts(j); what != adjustResume {
		t.Errorf("the lost order is not given again, but %v", what)
	}
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhaseDownloading}, n.tick())
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhasePaused}, n.tick())
	if what, _ := n.adjusts(j); what != adjustNone {
		t.Errorf("what somebody stopped by hand is not left alone: %v", what)
	}
}

func TestTriesOfOrdersDoNotCountForTheAddOfALostJob(t *testing.T) {
	j := &job{record: record{Phase: core.JobQueued}, retry: retry{tries: maxTries, at: time.Now().Add(time.Hour)}}
	j.lose()
	if j.retry.tries != 0 || j.retry.at.After(time.Now()) || j.Phase != core.JobAdding {
		t.Errorf("the job begins with %+v", j.retry)
	}
}

func TestAListOfFilesThatComesLateLetsASelectionEnd(t *testing.T) {
	n := &Node{state: newState(), now: time.Now}
	b := newBackend(core.DesiredDownloader{})
	j := &job{record: record{Job: core.Job{ID: "j", Wish: core.JobRun}, Phase: core.JobQueued, Ref: &downloader.Ref{JobID: "j"}}}
	j.Applied.Files = []int{1} // and all are wanted now
	j.Deliveries = []*deliveryRecord{newDeliveryRecord(core.Delivery{Task: "t"})}
	n.jobs["j"] = j
	b.track("j", *j.Ref)
	loading := downloader.Status{JobID: "j", Phase: downloader.PhaseDownloading, TotalBytes: 5}
	n.onStatus(b, &loading, n.tick())
	listed := loading
	listed.Files = []downloader.File{{Index: 0}, {Index: 1}}
	n.onStatus(b, &listed, n.tick())
	if what, _ := n.adjusts(j); what != adjustFiles {
		t.Errorf("all files are selected by %v", what)
	}
}

func TestAStopRightAfterASelectionIsNobodysHand(t *testing.T) {
	n := &Node{state: newState(), now: time.Now}
	b := newBackend(core.DesiredDownloader{})
	j := &job{record: record{Job: core.Job{ID: "j", Wish: core.JobRun}, Phase: core.JobQueued, Ref: &downloader.Ref{JobID: "j"}}}
	n.jobs["j"] = j
	b.track("j", *j.Ref)
	j.apply(stepDone{adjusted: adjustFiles})
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhaseDownloading}, n.tick())
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhasePaused}, n.tick())
	if what, _ := n.adjusts(j); what != adjustResume {
		t.Errorf("a daemon that was complete by the old selection stays stopped: %v", what)
	}
	j.selectedAt = j.selectedAt.Add(-selectionSettles)
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhaseDownloading}, n.tick())
	n.onStatus(b, &downloader.Status{JobID: "j", Phase: downloader.PhasePaused}, n.tick())
	if what, _ := n.adjusts(j); what != adjustNone {
		t.Errorf("what somebody stopped by hand is not left alone: %v", what)
	}
}

// An Add whose answer is lost may have been made: what is wanted since then has
// to be said again, for the next Add changes nothing.
func TestASelectionThatChangesBetweenTwoAddsIsMade(t *testing.T) {
	n := &Node{state: newState(), now: time.Now}
	d := core.Delivery{Task: "t", Selection: core.Selection{Indexes: []int{0}}}
	wanted := core.DesiredJob{Job: core.Job{ID: "j", Wish: core.JobRun, Source: core.TaskSource{Kind: downloader.SourceTorrent}}}
	wanted.Deliveries = []core.Delivery{d}
	j := &job{record: record{Job: copyJob(&wanted), Phase: core.JobAdding}, sent: true, fileCount: 2}
	j.Deliveries = []*deliveryRecord{newDeliveryRecord(d)}
	wanted.Join(core.Delivery{Task: "u"}) // wants all
	j.order(&wanted, time.Now())
	j.added(&downloader.AddRequest{Source: downloader.Source{Kind: downloader.SourceTorrent}, Files: j.filesToAdd()})
	j.Ref, j.Phase = &downloader.Ref{JobID: "j"}, core.JobQueued
	if what, _ := n.adjusts(j); what != adjustFiles {
		t.Errorf("the daemon may have the first file alone, and is given the order %v", what)
	}
}

func TestASelectionThatComesWhenAllIsLoadedLetsMoreBeLoaded(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*deliveryRecord)
		want   core.JobPhase
		files  int
	}{
		{"nothing has left yet", func(*deliveryRecord) {}, core.JobQueued, 2},
		{"the files are leaving", func(d *deliveryRecord) { d.Plan = &delivery.Plan{} }, core.JobDownloaded, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := core.Delivery{Task: "t", Selection: core.Selection{Indexes: []int{0}}}
			wanted := core.DesiredJob{Job: core.Job{ID: "j", Wish: core.JobRun}}
			wanted.Deliveries = []core.Delivery{d}
			j := &job{record: record{Job: copyJob(&wanted), Phase: core.JobDownloaded}}
			j.Applied.Files, j.Files, j.fileCount = []int{0}, []downloader.File{{Path: "a"}, {Index: 1, Path: "b"}}, 2
			j.Deliveries = []*deliveryRecord{newDeliveryRecord(d)}
			c.change(j.Deliveries[0])
			wanted.Change("t", func(d *core.Delivery) { d.Selection.Indexes = []int{0, 1} })
			j.order(&wanted, time.Now())
			if got := len(j.filesOf(j.Deliveries[0])); j.Phase != c.want || got != c.files {
				t.Errorf("the job is %s, and delivers %d files, want %s and %d", j.Phase, got, c.want, c.files)
			}
		})
	}
}
