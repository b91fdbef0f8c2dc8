package core

import (
	"encoding/json"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Job is one unit of work at one downloader, as core wants it. Usually one
// task has one job; several tasks may share one, each with a delivery.
type Job struct {
	ID         JobID        `json:"id"`
	Node       NodeID       `json:"node"`
	Downloader DownloaderID `json:"downloader"`
	// Revision grows by one with each change of what is wanted.
	Revision int64   `json:"revision"`
	Wish     JobWish `json:"wish"`
	// Source is that of the first task; the bytes of an uploaded file are
	// stored under ContentOf.
	Source     TaskSource `json:"source"`
	ContentOf  TaskID     `json:"content_of,omitempty"`
	InfoHash   string     `json:"info_hash,omitempty"`
	Deliveries []Delivery `json:"deliveries"`
	// Files are the indexes of the wanted files, ascending; empty wants all.
	Files []int `json:"files,omitempty"`
	// Options is a JSON object for the plugin, checked against its schema.
	Options json.RawMessage `json:"options,omitempty"`
	// Limits bind the job while it runs.
	Limits downloader.Limits `json:"limits,omitzero"`
	// Resumes counts how often somebody asked to go on: a job that was stopped
	// at the downloader by hand is left alone until then.
	Resumes   int       `json:"resumes,omitempty"`
	CreatedAt time.Time `json:"created_at"`
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
	// FileCount is the number of files, wanted or not; 0 until known.
	FileCount int
	Progress  Progress
	// Waiting says why nothing moves; nil while something does.
	Waiting *Waiting
	// Failure is why Phase is JobFailed.
	Failure    *Failure
	Deliveries []ObservedDelivery
}

// ObservedDelivery is how far a node is with one delivery.
type ObservedDelivery struct {
	Task     TaskID
	Progress DeliveryProgress
	// Done reports that all files are at the destination.
	Done bool
	// Files are what was delivered, when Done.
	Files []DeliveredFile
	// Failure is why it is held.
	Failure *Failure
}

func (o *ObservedJob) delivery(id TaskID) *ObservedDelivery {
	for i := range o.Deliveries {
		if o.Deliveries[i].Task == id {
			return &o.Deliveries[i]
		}
	}
	return nil
}

func (o *ObservedJob) failure(id TaskID) *Failure {
	if o.Failure != nil {
		return o.Failure
	}
	if d := o.delivery(id); d != nil {
		return d.Failure
	}
	return nil
}

// taskState returns where a task of the job stands; "" where the phase says nothing.
func (o *ObservedJob) taskState(id TaskID) TaskState {
	d := o.delivery(id)
	switch o.Phase {
	case JobFailed:
		return StateFailed
	case JobRemoved:
		return StateCanceled
	case JobDone:
		return StateCompleted
	}
	if d != nil && d.Done {
		if o.Phase == JobSeeding {
			return StateSeeding
		}
		return StateCompleted
	}
	switch o.Phase {
	case JobAccepted, JobResolving, JobAdding, JobQueued:
		return StateStarting
	case JobMetadata:
		return StateMetadata
	case JobDownloading:
		return StateDownloading
	case JobPaused:
		return StatePaused
	case JobDownloaded, JobDelivering:
		return StateTransferring
	case JobHeld:
		if d != nil && d.Failure != nil {
			return StateHeld
		}
		return StateTransferring
	}
	return ""
}

// Leave takes a task's delivery off the job; without any left nobody wants it.
func (j *Job) Leave(id TaskID) {
	j.Revision++
	kept := j.Deliveries[:0]
	for _, d := range j.Deliveries {
		if d.Task != id {
			kept = append(kept, d)
		}
	}
	j.Deliveries = kept
	if len(kept) == 0 {
		j.Wish = JobRemove
	}
}

// RetryDelivery asks the node to try a held delivery again at once.
func (j *Job) RetryDelivery(id TaskID) {
	j.Revision++
	for i := range j.Deliveries {
		if j.Deliveries[i].Task == id {
			j.Deliveries[i].Attempt++
		}
	}
}

// Want asks the node for other files, or other limits.
func (j *Job) Want(files []int, limits downloader.Limits) {
	j.Revision++
	j.Files, j.Limits = files, limits
}

// Pause asks the node to stop the job and to keep what is there.
func (j *Job) Pause() {
	j.Revision++
	j.Wish = JobPause
}

// Resume asks the node to let the job go on, also where somebody stopped it at
// the downloader.
func (j *Job) Resume() {
	j.Revision++
	j.Wish = JobRun
	j.Resumes++
}
