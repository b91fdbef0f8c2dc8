package core

import (
	"encoding/json"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Job is one unit of work at one downloader, as core wants it. Usually one
// task has one job; those that want the same torrent on one node share one, each
// with a delivery, and none of their owners learns of the others.
type Job struct {
	ID         JobID        `json:"id"`
	Node       NodeID       `json:"node"`
	Downloader DownloaderID `json:"downloader"`
	// Revision grows by one with each change of what is wanted.
	Revision int64   `json:"revision"`
	Wish     JobWish `json:"wish"`
	// Source is that of the first task; the bytes of an uploaded file are
	// stored under ContentOf.
	Source    TaskSource `json:"source"`
	ContentOf TaskID     `json:"content_of,omitempty"`
	// InfoHash is the v1 info hash, of a v2 torrent without one its v2 info hash;
	// no two jobs at one downloader have the same.
	InfoHash   string     `json:"info_hash,omitempty"`
	Deliveries []Delivery `json:"deliveries"`
	// Options is a JSON object for the plugin, checked against its schema.
	Options json.RawMessage `json:"options,omitempty"`
	// Limits bind the job while it runs.
	Limits downloader.Limits `json:"limits,omitzero"`
	// Resumes counts how often somebody asked to go on: a job that was stopped
	// at the downloader by hand is left alone until then.
	Resumes int `json:"resumes,omitempty"`
	// Rechecks counts how often somebody asked to verify what is loaded.
	Rechecks int `json:"rechecks,omitempty"`
	// Deadlines end a job that gets nowhere.
	Deadlines Deadlines `json:"deadlines,omitzero"`
	// Hold is how long data is kept that cannot be delivered; 0 is for ever.
	Hold      time.Duration `json:"hold,omitempty"`
	CreatedAt time.Time     `json:"created_at"`
}

// JobWish is what core wants of a job.
type JobWish string

// The wishes for jobs.
const (
	JobRun    JobWish = "run"
	JobPause  JobWish = "pause"  // stop, and keep what is there
	JobRemove JobWish = "remove" // stop, drop the data that is not delivered
)

// Delivery is where the files of a job go for one task.
type Delivery struct {
	Task    TaskID    `json:"task"`
	Storage StorageID `json:"storage"`
	// Path is a folder below the storage's root, with slashes, that is made when missing.
	Path string `json:"path"`
	// Attempt grows when somebody asks to try a held delivery again at once.
	Attempt int `json:"attempt"`
	// Only are the indexes of the files that the attempt is for; empty is all.
	Only []int `json:"only,omitempty"`
	// Owner tells the deliveries of one user from those of others: what they get
	// must not share its bytes on the disk.
	Owner UserID `json:"owner,omitempty"`
	// Selection says which files are wanted.
	Selection Selection `json:"selection,omitzero"`
	// OnConflict says what happens where a name is taken.
	OnConflict ConflictPolicy `json:"on_conflict,omitempty"`
	// Paused keeps the delivery from being made, and the job from running where
	// all of its deliveries are.
	Paused bool `json:"paused,omitempty"`
	// Limits are those that the task wants; those of the job are the widest of all.
	Limits downloader.Limits `json:"limits,omitzero"`
}

// Deadlines are wall-clock time; 0 is none.
type Deadlines struct {
	// Metadata is for a magnet link, since it was first added.
	Metadata time.Duration `json:"metadata,omitempty"`
	// Stall is without a byte, while the job could load.
	Stall time.Duration `json:"stall,omitempty"`
	// Total is from the start until all data is there.
	Total time.Duration `json:"total,omitempty"`
}

// JobPhase is where a node stands with a job. Phases ascend: a job only goes
// back from the ones before JobDownloaded, when its downloader lost it.
type JobPhase int

// The phases. The numbers are stored in journals and must not change.
const (
	JobAccepted    JobPhase = 10  // journaled, nothing done yet
	JobResolving   JobPhase = 20  // the node fetches the .torrent or metalink file
	JobAdding      JobPhase = 30  // the downloader is told
	JobQueued      JobPhase = 40  // waits in the daemon
	JobMetadata    JobPhase = 50  // the daemon looks for metadata
	JobDownloading JobPhase = 60  // the daemon loads or verifies
	JobPaused      JobPhase = 70  // the daemon has paused it
	JobDownloaded  JobPhase = 80  // all wanted data is there
	JobDelivering  JobPhase = 90  // files go to their destinations
	JobHeld        JobPhase = 100 // a delivery failed, data kept, tried again
	JobDelivered   JobPhase = 110 // all deliveries are done
	JobSeeding     JobPhase = 120 // delivered, and still shared
	JobDone        JobPhase = 200 // delivered, removed at the downloader, directory gone
	JobFailed      JobPhase = 210 // gave up, removed at the downloader, directory gone
	JobRemoved     JobPhase = 220 // removed by wish, directory gone
)

var jobPhaseNames = map[JobPhase]string{
	JobAccepted: "accepted", JobResolving: "resolving", JobAdding: "adding", JobQueued: "queued",
	JobMetadata: "metadata", JobDownloading: "downloading", JobPaused: "paused", JobDownloaded: "downloaded",
	JobDelivering: "delivering", JobHeld: "held", JobDelivered: "delivered", JobSeeding: "seeding",
	JobDone: "done", JobFailed: "failed", JobRemoved: "removed",
}

// String returns the name of the phase.
func (p JobPhase) String() string {
	if s, ok := jobPhaseNames[p]; ok {
		return s
	}
	return "unknown"
}

// Ended reports whether the node has nothing more to do for the job but to
// forget it when core says so.
func (p JobPhase) Ended() bool { return p >= JobDone }

// Active reports whether the job has a place among the downloader's active ones.
func (p JobPhase) Active() bool { return p < JobDownloaded }

// ObservedJob is what a node knows of one job.
type ObservedJob struct {
	ID JobID
	// Revision is that of the newest order which the node has stored.
	Revision int64
	Phase    JobPhase
	Name     string
	InfoHash string
	// FileCount is the number of files, wanted or not, with those that only align
	// others; 0 until known.
	FileCount int
	// Progress is that of the job, for all tasks together.
	Progress Progress
	// Waiting says why nothing moves; nil while something does.
	Waiting *Waiting
	// Failure is why Phase is JobFailed.
	Failure    *Failure
	Deliveries []ObservedDelivery
}

// ObservedDelivery is how far a node is with one delivery, and all that the
// task's owner may learn of the job.
type ObservedDelivery struct {
	Task TaskID
	// Phase is that of the job as far as this task is concerned: JobPaused while
	// the job goes on for others, JobDelivered when this delivery is done.
	Phase JobPhase
	// Waiting says why nothing moves for this task; nil while something does.
	Waiting *Waiting
	// Done reports that all files are at the destination.
	Done bool
	// Refused reports that it came too late for this job: the task needs another.
	Refused bool
	// TotalBytes is the size of what the task wants, DoneBytes what of it is
	// loaded, UploadedBytes what was sent to peers since the task came.
	TotalBytes, DoneBytes, UploadedBytes int64
	// Progress is that of the files on their way to the destination.
	Progress DeliveryProgress
	// Files are those that are at the destination.
	Files []DeliveredFile
	// Storage and Path are where they are, once Done: a change of the destination
	// may come too late.
	Storage StorageID
	Path    string
	// Failed are the files that the last attempt could not deliver.
	Failed []FailedFile
	// Failure is why Phase is JobHeld or JobFailed.
	Failure *Failure
	// HeldUntil is when held data is given up; nil is never. NextTry is when the
	// delivery is tried again.
	HeldUntil, NextTry *time.Time
	// Log are the last noteworthy things that happened, oldest first.
	Log []JobEvent
}

// FailedFile is a file that could not be delivered.
type FailedFile struct {
	Index   int      `json:"index"`
	Failure *Failure `json:"failure"`
}

// JobEvent is something that the history of a task tells, and that its states
// do not.
type JobEvent struct {
	// Seq counts from 1 within the delivery.
	Seq  int       `json:"seq"`
	At   time.Time `json:"at"`
	Code errs.Code `json:"code"`
	// Message is for the user, and tells nothing of other tasks.
	Message string `json:"message"`
}

// Codes of JobEvent that are no errors.
const (
	EventLost      errs.Code = "job_lost"      // the downloader had lost the job, it was added again
	EventRetry     errs.Code = "retry"         // a step is tried again, see the message
	EventRecheck   errs.Code = "recheck"       // what is loaded is verified
	EventDelivered errs.Code = "delivered"     // how the files came to the destination
	EventSpace     errs.Code = "space"         // stopped or gone on for want of space
	EventSeeded    errs.Code = "seeding_ended" // a limit of seeding was reached
)

// Delivery returns what is known of a task's delivery, or nil.
func (o *ObservedJob) Delivery(id TaskID) *ObservedDelivery {
	for i := range o.Deliveries {
		if o.Deliveries[i].Task == id {
			return &o.Deliveries[i]
		}
	}
	return nil
}

// Delivery returns that of a task, or nil.
func (j *Job) Delivery(id TaskID) *Delivery {
	for i := range j.Deliveries {
		if j.Deliveries[i].Task == id {
			return &j.Deliveries[i]
		}
	}
	return nil
}

// Join adds a task's delivery.
func (j *Job) Join(d Delivery) {
	j.Deliveries = append(j.Deliveries, d)
	j.combine()
}

// Leave takes a task's delivery off the job; without any left nobody wants it.
func (j *Job) Leave(id TaskID) {
	kept := j.Deliveries[:0]
	for _, d := range j.Deliveries {
		if d.Task != id {
			kept = append(kept, d)
		}
	}
	j.Deliveries = kept
	j.combine()
}

// Change changes a task's delivery.
func (j *Job) Change(id TaskID, fn func(*Delivery)) {
	if d := j.Delivery(id); d != nil {
		fn(d)
	}
	j.combine()
}

// RetryDelivery asks the node to try a held delivery again at once: some of its
// files, or all.
func (j *Job) RetryDelivery(id TaskID, only []int) {
	j.Change(id, func(d *Delivery) { d.Attempt, d.Only = d.Attempt+1, only })
}

// Pause asks the node to stop the job for a task, and to keep what is there.
func (j *Job) Pause(id TaskID) {
	j.Change(id, func(d *Delivery) { d.Paused = true })
}

// Resume asks the node to let the job go on for a task, also where somebody
// stopped it at the downloader.
func (j *Job) Resume(id TaskID) {
	j.Resumes++
	j.Change(id, func(d *Delivery) { d.Paused = false })
}

// Recheck asks the node to verify what is loaded.
func (j *Job) Recheck() {
	j.Rechecks++
	j.Revision++
}

// combine makes the job what all of its tasks together want.
func (j *Job) combine() {
	j.Revision++
	if len(j.Deliveries) == 0 {
		j.Wish = JobRemove
		return
	}
	j.Wish, j.Limits = JobPause, j.Deliveries[0].Limits
	for i := range j.Deliveries {
		d := &j.Deliveries[i]
		if !d.Paused {
			j.Wish = JobRun
		}
		j.Limits = widerLimits(j.Limits, d.Limits)
	}
}
