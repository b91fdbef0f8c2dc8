package worker

import (
	"reflect"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
)

// record is what the journal keeps of a job. Phase is one of JobAccepted,
// JobAdding, JobQueued (the downloader has it), JobDownloaded (all data is
// there), JobSeeding (delivered, too), JobDelivered, and the ended ones; the
// others are progress, and live in memory.
type record struct {
	// Job is what core wants, but for its deliveries: see deliveryRecord.Want.
	Job   core.Job      `json:"job"`
	Phase core.JobPhase `json:"phase"`
	// Ending is the phase that removing the job leads to; 0 while it shall live.
	Ending core.JobPhase `json:"ending,omitempty"`
	// Content reports that the torrent or metalink file is in the journal.
	Content  bool            `json:"content,omitempty"`
	Ref      *downloader.Ref `json:"ref,omitempty"`
	Applied  applied         `json:"applied,omitzero"`
	Name     string          `json:"name,omitempty"`
	InfoHash string          `json:"info_hash,omitempty"`
	Total    int64           `json:"total,omitempty"`
	Uploaded int64           `json:"uploaded,omitempty"`
	// UploadedBefore was sent before the downloader began to count anew.
	UploadedBefore int64  `json:"uploaded_before,omitempty"`
	Clocks         clocks `json:"clocks,omitzero"`
	// Files are all files, wanted or not, once known.
	Files fileList `json:"files,omitempty"`
	// Unsure reports that the job was changed while it was not known whether the
	// downloader had it: an Add changes nothing of one that it has.
	Unsure bool `json:"unsure,omitempty"`
	// Stopped reports that somebody has stopped the job at the downloader.
	Stopped bool `json:"stopped,omitempty"`
	// Lost counts how often the downloader had lost the job.
	Lost int `json:"lost,omitempty"`
	// Rechecks is the last of core.Job.Rechecks that was begun; Verify says that
	// the job's directory may have data that the downloader does not know.
	Rechecks int  `json:"rechecks,omitempty"`
	Verify   bool `json:"verify,omitempty"`
	// LoadedAt is when all data was there; SeedDone that the downloader has
	// ended seeding.
	LoadedAt *time.Time `json:"loaded_at,omitempty"`
	SeedDone bool       `json:"seed_done,omitempty"`
	// Linked is whose delivered files share their bytes with the job's data.
	Linked     core.UserID       `json:"linked,omitempty"`
	Deliveries []*deliveryRecord `json:"deliveries,omitempty"`
	Failure    *core.Failure     `json:"failure,omitempty"`
}

// retry is when a step that failed is due again. It lives in memory: after a
// restart everything is tried at once.
type retry struct {
	tries int
	at    time.Time
}

// first and last bound the pause between two tries.
const (
	firstPause = time.Second
	lastPause  = time.Minute
)

// pause returns how long to wait after the n-th failure in a row.
func pause(n int) time.Duration { return pauseUpTo(n, lastPause) }

// pauseUpTo is pause with another bound.
func pauseUpTo(n int, last time.Duration) time.Duration {
	if n > 20 {
		return last
	}
	return min(firstPause<<max(0, n-1), last)
}

// failed notes a failure.
func (r *retry) failed(now time.Time) { r.failedUpTo(now, lastPause) }

func (r *retry) failedUpTo(now time.Time, last time.Duration) {
	r.tries++
	r.at = now.Add(pauseUpTo(r.tries, last))
}

// job is a record with what lives in memory.
type job struct {
	record

	// newContent is not in the journal yet.
	newContent []byte
	// changed reports that the record differs from the journal.
	changed bool
	// sent reports that the downloader may have been told of the job.
	sent bool
	// status is the last one of the downloader; phase is the job's by it.
	status  downloader.Status
	phase   core.JobPhase
	hasData bool
	// early is what the downloader told of the job before it confirmed it.
	early *downloader.Status
	// addedAt is when the downloader confirmed the job, or the last order, on the
	// loop's counter: what it was asked for before says nothing of that.
	addedAt   uint64
	orderedAt time.Time
	// reselected counts how often the selection reselecting was repeated.
	reselected  int
	reselecting []int
	// selectedAt is when the downloader took another selection.
	selectedAt time.Time
	// ran reports that the job was seen running since the last order to do so,
	// and that the downloader has not been away since: when it is paused then,
	// somebody did that by hand. A daemon that was away may have forgotten what
	// it was told last, as after a power cut.
	ran bool
	// fileCount is that of countFiles, 0 until they are known.
	fileCount int
	// choice is what all tasks together want, nil where it must be found anew.
	choice *choice
	// sizedFor is the choice that has choiceSize.
	sizedFor   *choice
	choiceSize int64
	room       room
	timing     timing
	// sentAt is when somebody last took a byte.
	sentAt time.Time

	// untidy is when the job could not be removed for the first time because a
	// storage was down that has something of it.
	untidy time.Time

	step   *step // of the job itself under way, nil when none
	queued *pool // where it waits for a step
	retry  retry
	// waiting says why the last step is tried again.
	waiting *core.Waiting
}

// save notes that the journal has to be written.
func (j *job) save() { j.changed = true }

// fail makes the job end as failed.
func (j *job) fail(err error, now time.Time) {
	if j.Ending != 0 || j.Phase.Ended() {
		return
	}
	j.Failure = core.NewFailure(err, now)
	j.end(core.JobFailed)
}

// end makes the job end: what is left of it will be removed.
func (j *job) end(as core.JobPhase) {
	j.Ending = as
	j.retry, j.waiting = retry{}, nil
	j.save()
}

// dataIsThere reports whether all that the tasks want is on the disk.
func (j *job) dataIsThere() bool {
	return j.Phase == core.JobDownloaded || j.Phase == core.JobSeeding || j.Phase == core.JobQueued && j.hasData
}

// order takes over what core wants, if that is newer.
func (j *job) order(d *core.DesiredJob, now time.Time) bool {
	if d.Revision <= j.Job.Revision {
		return false
	}
	ends := j.Ending != 0 || j.Phase.Ended()
	tooLate := ends || j.dataIsThere() && !j.seeds() && !j.stays()
	leaving := (ends || j.dataIsThere() && !j.seeds()) && j.leaving()
	files, limits := j.wantedFiles(), j.Job.Limits
	j.Job = copyJob(d)
	j.choice = nil
	left := make(map[core.TaskID]bool, len(j.Deliveries))
	for _, r := range j.Deliveries {
		left[r.Want.Task], r.Left = r.Left, true
	}
	for i := range d.Deliveries {
		want := &d.Deliveries[i]
		r := j.delivery(want.Task)
		if r != nil && left[want.Task] && r.Done {
			*r = *j.newcomer(want, tooLate, now) // its task wants it once more
			continue
		}
		if r != nil {
			if left[want.Task] {
				r.comeBack(tooLate)
			}
			selected := r.Want.Selection
			r.order(want)
			if leaving {
				r.Want.Selection = selected // what else is wanted now was never loaded
			}
			continue
		}
		j.Deliveries = append(j.Deliveries, j.newcomer(want, tooLate, now))
	}
	j.checkSelections(now)
	if j.Phase == core.JobAdding && j.sent && !(reflect.DeepEqual(files, j.wantedFiles()) && reflect.DeepEqual(limits, j.Job.Limits)) {
		j.Unsure = true
	}
	if !(leaving && tooLate) && j.Ending == 0 && j.dataIsThere() && j.wantsMore() {
		j.Phase, j.hasData = core.JobQueued, false
	}
	j.save()
	return true
}

// newcomer is the delivery of a task that joins the job. It has all the time
// that the first one had: the deadlines begin anew. That somebody has stopped the
// job at the downloader was before its time.
func (j *job) newcomer(want *core.Delivery, tooLate bool, now time.Time) *deliveryRecord {
	r := newDeliveryRecord(*want)
	r.Refused, r.UploadedAt, r.JoinedAt = tooLate, j.uploaded(), now.UTC()
	if !tooLate {
		j.restartClocks()
		j.Stopped, j.ran = false, false
	}
	return r
}

// leaving reports whether data has begun to go to a destination, so that what
// the downloader loads cannot be changed any more.
func (j *job) leaving() bool {
	return slices.ContainsFunc(j.Deliveries, func(d *deliveryRecord) bool { return d.Plan != nil || d.Done || d.step != nil })
}

// stays reports whether the data is where it was loaded, and nothing is about
// to take it away: every delivery is held, paused, or a copy.
func (j *job) stays() bool { return !slices.ContainsFunc(j.Deliveries, (*deliveryRecord).takesAway) }

// needsDataOf reports whether a plan would move what another task wants, too:
// one that has come since.
func (j *job) needsDataOf(d *deliveryRecord) bool {
	return d.Plan != nil && d.Data == delivery.DataMove && j.dataFor(d) != delivery.DataMove
}

// welcome lets a task in after all that was refused, where the data stays.
func (j *job) welcome(d *deliveryRecord) {
	if !d.Refused || d.Left || !j.dataIsThere() || !j.stays() {
		return
	}
	d.Refused = false
	j.choice = nil
	if j.wantsMore() {
		j.Phase, j.hasData = core.JobQueued, false
	}
	j.save()
}

// copyJob copies what core may go on to change. The deliveries have records of
// their own.
func copyJob(d *core.DesiredJob) core.Job {
	c := d.Job
	c.Deliveries = nil
	return c
}

// delivery returns the record of a task's delivery, or nil.
func (j *job) delivery(id core.TaskID) *deliveryRecord {
	i := slices.IndexFunc(j.Deliveries, func(d *deliveryRecord) bool { return d.Want.Task == id })
	if i < 0 {
		return nil
	}
	return j.Deliveries[i]
}

// undone counts the deliveries that are still to be made.
func (j *job) undone() int {
	n := 0
	for _, d := range j.Deliveries {
		if d.open() {
			n++
		}
	}
	return n
}

// shared reports whether several users want the job: what is said of it as a
// whole would tell each of the others.
func (j *job) shared() bool {
	var first *deliveryRecord
	for _, d := range j.Deliveries {
		if !d.wantsData() {
			continue
		}
		if first != nil && first.Want.Owner != d.Want.Owner {
			return true
		}
		first = d
	}
	return false
}

// busy reports whether a step of any delivery is under way.
func (j *job) busy() bool {
	return slices.ContainsFunc(j.Deliveries, func(d *deliveryRecord) bool { return d.step != nil })
}

// uploaded returns what was sent to peers in all.
func (j *job) uploaded() int64 {
	return max(j.Uploaded, j.UploadedBefore+j.status.UploadedBytes)
}
