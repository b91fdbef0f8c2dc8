package worker

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// record is what the journal keeps of a job. Phase is one of JobAccepted,
// JobResolving, JobAdding, JobQueued (the downloader has it), JobDownloaded
// (all data is there), JobDelivered, and the ended ones; the others are
// progress, and live in memory.
type record struct {
	Job   core.Job      `json:"job"`
	Phase core.JobPhase `json:"phase"`
	// Ending is the phase that removing the job leads to; 0 while it shall live.
	Ending core.JobPhase `json:"ending,omitempty"`
	// Content reports that the torrent or metalink file is in the journal.
	Content  bool              `json:"content,omitempty"`
	Ref      *downloader.Ref   `json:"ref,omitempty"`
	Applied  applied           `json:"applied,omitzero"`
	Name     string            `json:"name,omitempty"`
	InfoHash string            `json:"info_hash,omitempty"`
	Total    int64             `json:"total,omitempty"`
	Uploaded int64             `json:"uploaded,omitempty"`
	Files    []downloader.File `json:"files,omitempty"`
	// Lost counts how often the downloader had lost the job.
	Lost       int              `json:"lost,omitempty"`
	Deliveries []deliveryRecord `json:"deliveries,omitempty"`
	Failure    *core.Failure    `json:"failure,omitempty"`
}

// deliveryRecord is how far the node is with one of Job.Deliveries.
type deliveryRecord struct {
	Task core.TaskID `json:"task"`
	// Plan is stored before it is executed.
	Plan    *delivery.Plan       `json:"plan,omitempty"`
	Done    bool                 `json:"done,omitempty"`
	Files   []core.DeliveredFile `json:"files,omitempty"`
	Failure *core.Failure        `json:"failure,omitempty"`

	retry    retry
	taken    bool // a planned name is taken: plan again
	progress int64
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
func pause(n int) time.Duration {
	if n > 6 {
		return lastPause
	}
	return min(firstPause<<max(0, n-1), lastPause)
}

// failed notes a failure.
func (r *retry) failed(now time.Time) {
	r.tries++
	r.at = now.Add(pause(r.tries))
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
	// ran reports that the job was seen running since the last order to do so:
	// when it is paused then, somebody did that by hand.
	ran bool
	// fileCount is the number of files, 0 until known.
	fileCount int

	step   *step // under way, nil when none
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

// order takes over what core wants, if that is newer.
func (j *job) order(d *core.DesiredJob) bool {
	if d.Revision <= j.Job.Revision {
		return false
	}
	attempts := map[core.TaskID]int{}
	for _, was := range j.Job.Deliveries {
		attempts[was.Task] = was.Attempt
	}
	known := j.Job.Deliveries
	j.Job = copyJob(d)
	if d.Wish == core.JobRemove {
		// What was done for them has to be told, what was begun to be cleared away.
		j.Job.Deliveries = known
		j.save()
		return true
	}
	records := make([]deliveryRecord, 0, len(d.Deliveries))
	for _, wanted := range d.Deliveries {
		r := deliveryRecord{Task: wanted.Task}
		if known := j.delivery(wanted.Task); known != nil {
			r = *known
		}
		if wanted.Attempt > attempts[wanted.Task] {
			r.retry, r.Failure = retry{}, nil
		}
		records = append(records, r)
	}
	j.Deliveries = records
	j.save()
	return true
}

// maxFileList bounds the list of a job's files, in bytes of JSON. A record
// holds it up to four times: one that were too large for the store would keep
// all the others from being stored, too.
const maxFileList = store.MaxValueSize / 5

// perFile is what a file's entry in the list has beside its path, at most.
const perFile = 128

// checkFileList refuses a list that records cannot hold.
func checkFileList(files []downloader.File) error {
	size := 0
	for i := range files {
		size += len(files[i].Path)
	}
	if perFile*len(files)+6*size <= maxFileList { // JSON makes six bytes of one at most
		return nil
	}
	if size <= maxFileList {
		b, err := json.Marshal(files)
		if err != nil {
			return errs.Wrap(err, errs.UnsafeFile, "The download's list of files cannot be stored.")
		}
		size = len(b)
	}
	if size > maxFileList {
		return errs.New(errs.UnsafeFile, "The download has %d files, whose names together are too long.", len(files))
	}
	return nil
}

// copyJob copies what core may go on to change.
func copyJob(d *core.DesiredJob) core.Job {
	c := d.Job
	c.Deliveries = slices.Clone(d.Deliveries)
	return c
}

// delivery returns the record of a task's delivery, or nil.
func (j *job) delivery(id core.TaskID) *deliveryRecord {
	i := slices.IndexFunc(j.Deliveries, func(d deliveryRecord) bool { return d.Task == id })
	if i < 0 {
		return nil
	}
	return &j.Deliveries[i]
}

// wanted returns the delivery as core wants it.
func (j *job) wanted(id core.TaskID) *core.Delivery {
	for i := range j.Job.Deliveries {
		if j.Job.Deliveries[i].Task == id {
			return &j.Job.Deliveries[i]
		}
	}
	return nil
}

// undone counts the deliveries that are not done.
func (j *job) undone() int {
	n := 0
	for i := range j.Deliveries {
		if !j.Deliveries[i].Done {
			n++
		}
	}
	return n
}

// due returns the next delivery to work on and when; nil when all are done.
func (j *job) due() (next *deliveryRecord, at time.Time) {
	for i := range j.Deliveries {
		d := &j.Deliveries[i]
		if d.Done {
			continue
		}
		if next == nil || d.retry.at.Before(at) {
			next, at = d, d.retry.at
		}
	}
	return next, at
}
