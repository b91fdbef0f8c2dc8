package core

import (
	"slices"
	"time"
)

// TaskState is where a task stands.
type TaskState string

// The states. StateSeeding means delivered and still shared.
const (
	StateQueued       TaskState = "queued"       // waits for a place
	StateStarting     TaskState = "starting"     // has a job, the downloader is told
	StateMetadata     TaskState = "metadata"     // the torrent's metadata is looked for
	StateDownloading  TaskState = "downloading"  // loads
	StatePaused       TaskState = "paused"       // stopped by wish
	StateTransferring TaskState = "transferring" // loaded, files go to the destination
	StateHeld         TaskState = "held"         // loaded, delivery failed, data kept
	StateSeeding      TaskState = "seeding"      // delivered, still shared
	StateCompleted    TaskState = "completed"    // delivered, nothing more happens
	StateFailed       TaskState = "failed"       // gave up
	StateCanceled     TaskState = "canceled"     // ended by wish
)

// TaskStates lists all states in the order of a task's life.
var TaskStates = []TaskState{
	StateQueued, StateStarting, StateMetadata, StateDownloading, StatePaused, StateTransferring,
	StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled,
}

// Ended reports whether nothing happens any more unless somebody asks.
func (s TaskState) Ended() bool {
	return s == StateCompleted || s == StateFailed || s == StateCanceled
}

// Valid reports whether s is one of TaskStates.
func (s TaskState) Valid() bool { return slices.Contains(TaskStates, s) }

// transitions is the whole state machine: from each state, where it may go.
// A job may skip states (a small file is complete at the first look), so a
// running task may go to any later one; it goes back when a downloader loses
// the job (starting) or verifies its data (downloading). One that was paused
// before it had a job goes back to the queue.
var transitions = map[TaskState][]TaskState{
	StateQueued:       {StateStarting, StatePaused, StateFailed, StateCanceled},
	StateStarting:     {StateQueued, StateMetadata, StateDownloading, StatePaused, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateMetadata:     {StateStarting, StateDownloading, StatePaused, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateDownloading:  {StateStarting, StateMetadata, StatePaused, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StatePaused:       {StateQueued, StateStarting, StateMetadata, StateDownloading, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateTransferring: {StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateHeld:         {StateTransferring, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateSeeding:      {StateCompleted},
	StateCompleted:    {},
	StateFailed:       {StateQueued},
	StateCanceled:     {StateQueued},
}

// CanBecome reports whether a task may go from s to next. Staying is no transition.
func (s TaskState) CanBecome(next TaskState) bool { return slices.Contains(transitions[s], next) }

// moveTo sets the state and the time that belongs to it.
func (t *Task) moveTo(next TaskState, at time.Time) bool {
	if !t.State.CanBecome(next) {
		return false
	}
	t.State = next
	at = at.UTC()
	switch next {
	case StateStarting:
		if t.StartedAt == nil {
			t.StartedAt = &at
		}
	case StateTransferring:
		if t.DownloadedAt == nil {
			t.DownloadedAt = &at
		}
	case StateSeeding:
		t.markDelivered(at)
	case StateCompleted:
		t.markDelivered(at)
		t.CompletedAt = &at
	}
	return true
}

func (t *Task) markDelivered(at time.Time) {
	if t.DownloadedAt == nil {
		t.DownloadedAt = &at
	}
	if t.DeliveredAt == nil {
		t.DeliveredAt = &at
	}
	t.Error = nil
}

// Start gives a queued task its job.
func (t *Task) Start(job *Job, at time.Time) bool {
	if !t.moveTo(StateStarting, at) {
		return false
	}
	t.Job, t.Node, t.Downloader = job.ID, job.Node, job.Downloader
	return true
}

// Fail ends a task that cannot get a job.
func (t *Task) Fail(f *Failure, at time.Time) bool {
	if !t.moveTo(StateFailed, at) {
		return false
	}
	t.Error = f
	return true
}

// Retry puts an ended task back into the queue for another attempt.
func (t *Task) Retry() bool {
	if t.State != StateFailed && t.State != StateCanceled {
		return false
	}
	t.State, t.Wish = StateQueued, WishRun
	t.Attempt++
	t.Job, t.Node, t.Downloader = "", "", ""
	t.Error, t.StartedAt, t.DownloadedAt = nil, nil, nil
	return true
}

// CanPause reports whether the wish to pause can still be followed: not when
// the task has ended, has its data, or is to be canceled.
func (t *Task) CanPause() bool {
	switch t.State {
	case StateQueued, StateStarting, StateMetadata, StateDownloading, StatePaused:
		return t.Wish != WishCancel
	}
	return false
}

// Pause notes the wish to stop the task for a while; one without a job stops
// at once. It reports whether anything changed.
func (t *Task) Pause(at time.Time) bool {
	if !t.CanPause() || t.Wish == WishPause {
		return false
	}
	t.Wish = WishPause
	if t.Job == "" {
		return t.moveTo(StatePaused, at)
	}
	return true
}

// Resume notes the wish to go on; a task without a job goes back to the queue.
// It reports whether anything changed.
func (t *Task) Resume(at time.Time) bool {
	if !t.CanPause() || t.Job == "" && t.Wish == WishRun {
		return false
	}
	t.Wish = WishRun
	if t.Job == "" {
		return t.moveTo(StateQueued, at)
	}
	t.Resumes++
	return true
}

// Cancel notes the wish to end the task; one without a job ends at once.
// It reports whether anything changed.
func (t *Task) Cancel(at time.Time) bool {
	if t.State.Ended() || t.Wish == WishCancel {
		return false
	}
	t.Wish = WishCancel
	if t.Job == "" {
		return t.moveTo(StateCanceled, at)
	}
	return true
}

// Observe brings the task up to what its node reports of its job, and reports
// whether anything that is stored has changed. A report of another job, or of
// one that lags behind (see transitions), changes nothing.
func (t *Task) Observe(o *ObservedJob, at time.Time) bool {
	if t.Job != o.ID || t.State.Ended() {
		return false
	}
	changed := t.learn(o)
	next := o.taskState(t.ID)
	if next == StateFailed && t.Wish == WishCancel {
		next = StateCanceled
	}
	if next != "" && next != t.State && t.moveTo(next, at) {
		changed = true
	}
	if t.State.Ended() || t.State == StateSeeding {
		if d := o.delivery(t.ID); d != nil && len(t.Files) == 0 && len(d.Files) > 0 {
			t.Files, changed = d.Files, true
		}
	}
	switch f := o.failure(t.ID); {
	case t.State == StateFailed || t.State == StateHeld:
		if f != nil && (t.Error == nil || t.Error.Code != f.Code || t.Error.Message != f.Message) {
			t.Error, changed = f, true
		}
	case t.Error != nil:
		t.Error, changed = nil, true
	}
	return changed
}

// learn takes over what the source could not tell.
func (t *Task) learn(o *ObservedJob) bool {
	changed := false
	if o.Name != "" && o.Name != t.Name && !t.Named {
		t.Name, changed = o.Name, true
	}
	if o.InfoHash != "" && o.InfoHash != t.InfoHash {
		t.InfoHash, changed = o.InfoHash, true
	}
	// A total that grows with each look would write at each look: it is kept
	// with the transitions alone.
	if o.Progress.TotalBytes != t.TotalBytes && o.Phase >= JobDownloaded {
		t.TotalBytes, changed = o.Progress.TotalBytes, true
	}
	return changed
}
