package worker

import (
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
)

// event is something that the loop reacts to.
type event any

// ordered are orders of core; reply gets the outcome of the commit.
type ordered struct {
	orders *core.Orders
	reply  chan error
}

// connected begins a session.
type connected struct{ session *session }

// instanceChanged says that the status of an instance has changed, of a
// downloader or a storage.
type instanceChanged struct{ id string }

// instanceClosed says that an instance has ended, so that its ID is free.
type instanceClosed struct{ instance Instance }

// pluginsScanned says that the list of plugins may have changed.
type pluginsScanned struct{}

// checked is the result of a Check; since is the loop's counter at its start.
type checked struct {
	instance Instance
	since    uint64
	jobs     int // that were asked for
	statuses []downloader.Status
	err      error
}

// tested is the result of a Test that the node made on its own.
type tested struct {
	instance Instance
	since    uint64
	result   downloader.TestResult
	err      error
}

// watched are statuses that a Watch brought.
type watched struct {
	instance Instance
	statuses []downloader.Status
}

// watchEnded says that a Watch has returned.
type watchEnded struct {
	instance Instance
	err      error
}

// stepDone is the result of a step of a job.
type stepDone struct {
	step *step
	err  error
	// One of them is set, by the step's kind.
	ref     *downloader.Ref
	request *downloader.AddRequest
	plan    *delivery.Plan
	result  *delivery.Result
	// Of an adjustment: what was ordered.
	adjusted adjustment
	files    []int
	limits   downloader.Limits
	resumes  int
	forSpace bool
	// Of a release: what it was asked for by.
	rechecks int
	// Of a removal: the tasks of whose files nothing is left at a storage, and what
	// is left of others.
	undone []core.TaskID
	left   []*remnant
}

// planLearnt is a plan that an execution wants to be stored.
type planLearnt struct {
	step  *step
	plan  delivery.Plan
	reply chan error
}

// progressed says how much of a delivery is at its destination.
type progressed struct {
	step  *step
	done  int64
	files int
}

// copyWaits says that a delivery copies, or waits for its turn to.
type copyWaits struct {
	step  *step
	waits bool
}

// filesAsked asks for the files of a job; the answer is nil without such a job.
type filesAsked struct {
	job   core.JobID
	reply chan []downloader.File
}
