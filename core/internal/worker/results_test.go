package worker

import (
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
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
