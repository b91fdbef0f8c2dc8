package worker

import (
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// joins makes another user's task of a job.
func (l *late) joins(owner core.UserID, s core.Selection) core.TaskID {
	l.t.Helper()
	id := core.NewID[core.TaskID]()
	l.job.Join(core.Delivery{Task: id, Owner: owner, Storage: storageID, Path: string(owner), Selection: s})
	l.order(l.world, l.job)
	rest(look)
	return id
}

// seedingMagnet is a magnet link of three files, of which ann wants the first
// one, and to share it.
func seedingMagnet() core.DesiredJob {
	job := magnetJob()
	job.Deliveries, job.Revision = nil, 0
	job.Join(core.Delivery{
		Task: core.NewID[core.TaskID](), Storage: storageID, Path: "ann", Owner: "ann",
		Selection: core.Selection{Indexes: []int{0}}, Limits: downloader.Limits{Seed: &downloader.SeedLimits{}},
	})
	return job
}

func TestTheTimeThatAJobHasSharedIsNoneInWhichItDidNotLoad(t *testing.T) {
	for name, limits := range map[string]core.Deadlines{
		"stall": {Stall: 24 * time.Hour}, "total": {Total: 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			withDeadlines(t, seedingMagnet(), limits, func(l *late) {
				l.say(func(s *downloader.Status) {
					s.Phase, s.Files, s.TotalBytes = downloader.PhaseDownloading, []downloader.File{{Path: "a", Size: 1}, {Index: 1, Path: "b", Size: 2}}, 3
				})
				l.finishABC(l.job.ID)
				l.phase(downloader.PhaseSeeding)
				rest(48 * time.Hour)
				l.alive("while it seeds")
				l.say(func(s *downloader.Status) {
					s.Phase, s.Files = downloader.PhaseDownloading, []downloader.File{{Path: "a", Size: 1, DoneBytes: 1}, {Index: 1, Path: "b", Size: 2}, {Index: 2, Path: "c", Size: 3}}
				})
				bob := l.joins("bob", core.Selection{Indexes: []int{1}})
				rest(time.Hour)
				l.alive("an hour after somebody wants more of it")
				rest(24 * time.Hour)
				o := l.running.job(l.job.ID)
				if d := o.Delivery(bob); d == nil || d.Phase != core.JobFailed || d.Failure == nil {
					t.Errorf("who gets nothing for a day: %+v", d)
				}
				l.phase(downloader.PhaseSeeding)
				l.alive("when the other one has failed")
				if d := l.running.job(l.job.ID).Deliveries[0]; d.Phase != core.JobSeeding {
					t.Errorf("who has all of theirs: %+v", d)
				}
			})
		})
	}
}

func TestWhoJoinsADownloadHasAllTheTimeThatOthersHad(t *testing.T) {
	withDeadlines(t, magnetJob(), core.Deadlines{Metadata: time.Hour}, func(l *late) {
		l.phase(downloader.PhaseMetadata)
		rest(50 * time.Minute)
		l.joins("bob", core.Selection{})
		rest(50 * time.Minute)
		l.alive("an hour after the first one came")
		rest(15 * time.Minute)
		l.failed(errs.MetadataTimeout)
	})
}
