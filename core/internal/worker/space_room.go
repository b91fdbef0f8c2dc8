package worker

import (
	"cmp"
	"context"
	"io/fs"
	"maps"
	"path"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

// giveRoom gives out the space anew: who has room keeps it while there is any,
// and of the others the oldest come first. A small one may go before a large
// one that does not fit: the large one waits for what others leave in any case.
func (n *Node) giveRoom(now time.Time) {
	s := &n.space
	s.again = false
	s.low = s.isLow()
	s.reserved, s.loading, s.waiting = 0, 0, 0
	var asking []*job
	for _, j := range n.jobs {
		switch {
		case !n.wantsRoom(j):
			j.room = room{}
		case n.keepsRoom(j):
			need, _ := n.needs(j)
			s.reserved += need
			s.loading++
		case j.room.state != roomUnasked || j.heard():
			asking = append(asking, j)
		}
	}
	slices.SortFunc(asking, func(a, b *job) int { return cmp.Compare(a.Job.ID, b.Job.ID) })
	promised := int64(0) // to those that will ask when they are added
	for _, j := range asking {
		promised += n.answer(j, promised, now)
	}
	s.metrics.reserved.Set(float64(s.reserved))
	s.metrics.waiting.Set(float64(s.waiting))
}

// isLow reports whether downloads have to stand still.
func (s *spaceGuard) isLow() bool {
	switch {
	case !s.known:
		return false
	case s.low:
		return s.free < 2*s.mark()
	}
	return s.free < s.mark()
}

// wantsRoom reports whether a job loads, or is about to.
func (n *Node) wantsRoom(j *job) bool {
	return j.Ending == 0 && j.Job.Wish == core.JobRun &&
		(j.Phase == core.JobAdding || j.Phase == core.JobQueued && !j.hasData)
}

// keepsRoom reports whether a job that has room may go on without a question:
// always where its downloader cannot stop it.
func (n *Node) keepsRoom(j *job) bool {
	if j.room.state != roomGiven {
		return false
	}
	_, sized := n.needs(j)
	if (n.space.low || sized && !j.room.sized) && j.Phase == core.JobQueued && n.canPause(j) {
		return false
	}
	j.room.sized = sized
	return true
}

// heard reports whether the downloader has told how the job stands, since the
// node began or the job was added.
func (j *job) heard() bool { return j.Phase == core.JobQueued && j.status.Phase != "" }

// answer gives room to a job, or refuses it. It returns what was promised to
// one that asks again when it is added.
func (n *Node) answer(j *job, promised int64, now time.Time) int64 {
	s := &n.space
	need, sized := n.needs(j)
	if n.failTooLarge(j, need) {
		return 0
	}
	missing := s.missing(need, sized, promised)
	adding := j.Phase == core.JobAdding
	switch {
	case missing > 0 && (adding || n.canPause(j)):
		s.waiting++
		n.refuseRoom(j, missing)
		if !adding {
			n.stop(j, now)
		}
		return 0
	case adding:
		// It gets room when its turn at the downloader has come.
		j.room = room{}
		n.dirty[j.Job.ID] = struct{}{}
		n.touch(j)
		return need
	}
	n.goOn(j, sized)
	s.reserved += need
	s.loading++
	return 0
}

// stop makes a job's downloader pause it.
func (n *Node) stop(j *job, now time.Time) {
	if j.room.stopped {
		return
	}
	j.room.stopped = true
	if !j.Applied.ForSpace { // else it was told so before a restart
		j.note(n.now(), core.EventSpace, "Paused: "+j.room.waiting.Message)
		n.log.Warn("download paused for want of space", "job", j.Job.ID, "free", n.space.free)
	}
	n.touch(j)
	n.wakeAt(now)
}

// goOn lets a job load.
func (n *Node) goOn(j *job, sized bool) {
	stopped := j.room.stopped || j.Applied.ForSpace
	if stopped {
		j.note(n.now(), core.EventSpace, "There is room again: the download goes on.")
		n.log.Info("download goes on, there is room again", "job", j.Job.ID)
	}
	if j.Applied.Paused || j.room.state == roomRefused {
		n.dirty[j.Job.ID] = struct{}{}
		n.touch(j)
	}
	j.room = room{state: roomGiven, sized: sized}
}

// noticeSize has room given out anew when a job's size is learnt, or the job is
// heard of for the first time.
func (n *Node) noticeSize(j *job, s *downloader.Status) {
	if !n.wantsRoom(j) {
		return
	}
	if j.room.state == roomUnasked || j.room.state == roomGiven && !j.room.sized && s.TotalBytes > 0 {
		n.space.again = true
	}
}

// weighAtOnce bounds how many jobs are weighed, weighFiles how many of their files.
const (
	weighAtOnce = 256
	weighFiles  = 20_000
)

// jobsToWeigh returns the jobs whose part of the disk counts, those that lack
// most first: while others wait it matters that some downloaders take all the
// space of a job at once.
func (n *Node) jobsToWeigh() []core.JobID {
	if n.space.waiting == 0 {
		return nil
	}
	lacks := map[core.JobID]int64{}
	for id, j := range n.jobs {
		lack := j.wantedSize() - j.status.DoneBytes
		if lack > 0 && j.Phase == core.JobQueued && !j.dataIsThere() && j.Ending == 0 {
			lacks[id] = lack
		}
	}
	ids := slices.SortedFunc(maps.Keys(lacks), func(a, b core.JobID) int { return cmp.Compare(lacks[b], lacks[a]) })
	return ids[:min(len(ids), weighAtOnce)]
}

// allocated returns what the directories of jobs take of the disk, at least.
func (d *jobDirs) allocated(ctx context.Context, ids []core.JobID) map[core.JobID]int64 {
	out, left := make(map[core.JobID]int64, len(ids)), weighFiles
	for _, id := range ids {
		err := fs.WalkDir(d.root.FS(), path.Join(string(id), dataName), func(_ string, e fs.DirEntry, err error) error {
			left--
			if err != nil || left <= 0 || ctx.Err() != nil {
				return fs.SkipAll
			}
			if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
				out[id] += blocksOf(info)
			}
			return nil
		})
		if err != nil || left <= 0 || ctx.Err() != nil {
			break
		}
	}
	return out
}

// sizeOfChoice returns the size of the files that the tasks together want.
func (j *job) sizeOfChoice() int64 {
	c := j.wantedFiles()
	if j.sizedFor != j.choice {
		j.sizedFor, j.choiceSize = j.choice, 0
		for _, f := range j.Files {
			if c.files == nil && !isPadding(f.Path) || slices.Contains(c.files, f.Index) {
				j.choiceSize += f.Size
			}
		}
	}
	return j.choiceSize
}
