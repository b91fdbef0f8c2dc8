package core

import (
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
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
// the job (starting), verifies its data (downloading), or another selection
// needs more of it. A pause may be carried out when the data is held already. It
// goes back to the queue when it was paused before it had a job, when its job ended
// without it, and when haul tries it again by itself.
var transitions = map[TaskState][]TaskState{
	StateQueued:       {StateStarting, StatePaused, StateFailed, StateCanceled},
	StateStarting:     {StateQueued, StateMetadata, StateDownloading, StatePaused, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateMetadata:     {StateQueued, StateStarting, StateDownloading, StatePaused, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateDownloading:  {StateQueued, StateStarting, StateMetadata, StatePaused, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StatePaused:       {StateQueued, StateStarting, StateMetadata, StateDownloading, StateTransferring, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateTransferring: {StateQueued, StateStarting, StateDownloading, StatePaused, StateHeld, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateHeld:         {StateQueued, StateStarting, StateDownloading, StatePaused, StateTransferring, StateSeeding, StateCompleted, StateFailed, StateCanceled},
	StateSeeding:      {StateCompleted},
	StateCompleted:    {StateQueued},
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
	t.JoinedAt, t.LeftAt, t.LogSeen, t.Retries.NextAt = job.Revision, 0, 0, nil
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

// Retry puts an ended task back into the queue for another attempt, with a new
// budget of retries.
func (t *Task) Retry() bool {
	if t.State != StateFailed && t.State != StateCanceled {
		return false
	}
	t.again()
	t.Retries.Used, t.Error = 0, nil
	return true
}

// LoadAgain puts a completed task back into the queue, whose files are gone.
func (t *Task) LoadAgain() bool {
	if t.State != StateCompleted {
		return false
	}
	t.again()
	t.Files, t.CompletedAt = nil, nil
	return true
}

// firstRetry is the pause before haul tries a task again by itself; each
// further one is three times as long.
const firstRetry = 3 * time.Second

// RetryLater puts a task that has just failed back into the queue, where the
// failure may pass and the budget allows. The error stays to be seen. A
// deadline that has passed is no reason to try: it was long enough.
func (t *Task) RetryLater(at time.Time) bool {
	if t.State != StateFailed || t.Wish == WishCancel || t.DeletedAt != nil || t.Error == nil || !t.Error.Retryable ||
		t.Retries.Used >= t.Retries.Limit || t.Error.Code == errs.MetadataTimeout || t.Error.Code == errs.Stalled {
		return false
	}
	pause := firstRetry
	for range t.Retries.Used {
		pause *= 3
	}
	next := at.UTC().Add(pause)
	wish := t.Wish
	t.again()
	t.Wish = wish
	t.Retries.Used++
	t.Retries.NextAt = &next
	return true
}

func (t *Task) again() {
	t.State, t.Wish = StateQueued, WishRun
	t.Attempt++
	t.leaveJob()
	t.StartedAt, t.DownloadedAt, t.DeliveredAt = nil, nil, nil
	t.DoneBytes = 0
}

// leaveJob forgets the job, which goes on or has ended without the task.
func (t *Task) leaveJob() {
	t.Job, t.Node, t.Downloader = "", "", ""
	t.JoinedAt, t.LeftAt, t.LogSeen = 0, 0, 0
	t.HeldUntil, t.Retries.NextAt, t.Removed = nil, nil, nil
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
	d := t.DeliveryIn(o)
	changed := t.learn(o, d)
	next := t.nextState(o, d)
	if (next == StateFailed || next == StateQueued) && t.Wish == WishCancel {
		next = StateCanceled
	}
	if next != "" && next != t.State && t.moveTo(next, at) {
		changed = true
		t.count(d)
	}
	if next == StateQueued && t.State == StateQueued {
		t.leaveJob() // it needs another job
		return true
	}
	return t.keepResult(o, d) || changed
}

// DeliveryIn returns what a report says of the task, or nil. One that is older
// than the task's part in the job may tell of an earlier part of it there.
func (t *Task) DeliveryIn(o *ObservedJob) *ObservedDelivery {
	if o.Revision < t.JoinedAt {
		return nil
	}
	return o.Delivery(t.ID)
}

// nextState returns where the task stands by a report; "" where that says nothing.
func (t *Task) nextState(o *ObservedJob, d *ObservedDelivery) TaskState {
	switch {
	case t.State == StateSeeding && o.Phase.Ended():
		return StateCompleted // its files are delivered, whatever becomes of the rest
	case d == nil && t.LeftAt > 0 && o.Revision >= t.LeftAt:
		if t.State == StateSeeding {
			return StateCompleted
		}
		return StateCanceled
	case d != nil && d.Refused && !o.Phase.Ended():
		return "" // it needs another job, which it gets when this one has gone
	case d != nil && d.Refused, d == nil && o.Phase.Ended():
		return StateQueued // it came too late for this job, whatever became of that
	case d != nil && d.Done && (o.Phase.Ended() || d.Phase != JobSeeding):
		return StateCompleted
	case d != nil && d.Phase == JobFailed, o.Phase == JobFailed:
		return StateFailed
	case o.Phase == JobRemoved:
		return StateCanceled
	case o.Phase.Ended():
		return StateQueued // it came too late for this job
	case d == nil:
		return ""
	}
	return phaseStates[d.Phase]
}

var phaseStates = map[JobPhase]TaskState{
	JobAccepted: StateStarting, JobResolving: StateStarting, JobAdding: StateStarting, JobQueued: StateStarting,
	JobMetadata: StateMetadata, JobDownloading: StateDownloading, JobPaused: StatePaused,
	JobDownloaded: StateTransferring, JobDelivering: StateTransferring, JobHeld: StateHeld,
	JobDelivered: StateCompleted, JobSeeding: StateSeeding,
}

// learn takes over what the source could not tell, from a job that is the
// task's own: what others load is nobody's business.
func (t *Task) learn(o *ObservedJob, d *ObservedDelivery) bool {
	if d == nil || d.Refused {
		return false
	}
	changed := false
	if o.Name != "" && o.Name != t.Name && !t.Named {
		t.Name, changed = o.Name, true
	}
	if o.InfoHash != "" && o.InfoHash != t.InfoHash && t.InfoHashV2 == "" {
		t.InfoHash, changed = o.InfoHash, true
	}
	// A total that grows with each look would write at each look: it is kept
	// with the transitions alone.
	if d.TotalBytes > 0 && d.TotalBytes != t.TotalBytes && d.Phase >= JobDownloaded {
		t.TotalBytes, changed = d.TotalBytes, true
	}
	if n := len(d.Log); n > 0 && d.Log[n-1].Seq > t.LogSeen {
		t.LogSeen, changed = d.Log[n-1].Seq, true
	}
	return changed
}

// NewEvents returns what a report tells that the history does not have yet.
func (t *Task) NewEvents(o *ObservedJob) []JobEvent {
	d := t.DeliveryIn(o)
	if t.Job != o.ID || t.State.Ended() || d == nil {
		return nil
	}
	for i := range d.Log {
		if d.Log[i].Seq > t.LogSeen {
			return d.Log[i:]
		}
	}
	return nil
}

// count stores with a transition what otherwise lives in memory.
func (t *Task) count(d *ObservedDelivery) {
	if d == nil {
		return
	}
	if d.TotalBytes > 0 {
		t.TotalBytes = d.TotalBytes
	}
	t.DoneBytes, t.UploadedBytes = d.DoneBytes, d.UploadedBytes
}

// keepResult takes over what was delivered, and what went wrong.
func (t *Task) keepResult(o *ObservedJob, d *ObservedDelivery) bool {
	changed := false
	failure := o.Failure
	if d != nil && d.Failure != nil {
		failure = d.Failure
	}
	var until *time.Time
	if d != nil {
		if t.State == StateHeld {
			until = d.HeldUntil
		}
		keeps, files := t.State.Ended() || t.State == StateSeeding || t.State == StateHeld, WithoutFiles(d.Files, t.Removed)
		if keeps && !slices.Equal(files, t.Files) {
			t.Files, changed = files, true
		}
	}
	if t.State == StateCanceled && len(t.Files) > 0 {
		t.Files, changed = nil, true // they were taken back
	}
	if !sameTime(until, t.HeldUntil) {
		t.HeldUntil, changed = until, true
	}
	switch {
	case t.State == StateFailed || t.State == StateHeld:
		if failure != nil && (t.Error == nil || t.Error.Code != failure.Code || t.Error.Message != failure.Message) {
			t.Error, changed = failure, true
		}
	case t.Error != nil:
		t.Error, changed = nil, true
	}
	return changed
}

// FilesMustGo reports whether the task was deleted with its data, and delivered
// after all: its node could not be stopped in time.
func (t *Task) FilesMustGo() bool {
	return t.DeletedAt != nil && t.DeleteData && t.State.Ended() && len(t.Files) > 0
}

// ForgetFiles notes that delivered files were removed. Reports of a job that has
// not ended go on to name them, while something else may have their names.
func (t *Task) ForgetFiles(removed []DeliveredFile) {
	if !t.State.Ended() {
		t.Removed = append(t.Removed, removed...)
	}
	t.Files = WithoutFiles(t.Files, removed)
}

// WithoutFiles returns those of some files that are not among others.
func WithoutFiles(files, others []DeliveredFile) []DeliveredFile {
	if len(others) == 0 {
		return files
	}
	known := make(map[DeliveredFile]bool, len(others))
	for _, f := range others {
		known[f] = true
	}
	var out []DeliveredFile
	for _, f := range files {
		if !known[f] {
			out = append(out, f)
		}
	}
	return out
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}
