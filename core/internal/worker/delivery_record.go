package worker

import (
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// deliveryRecord is how far the node is with one delivery of a job.
type deliveryRecord struct {
	// Want is the delivery as core wants it, or wanted it before the task left.
	Want core.Delivery `json:"want"`
	// Left reports that its task does not want the job any more.
	Left bool `json:"left,omitempty"`
	// Refused reports that the task came when the data was leaving already.
	Refused bool `json:"refused,omitempty"`
	// Plan is stored before it is executed; Target and Data are what it is for.
	Plan   *delivery.Plan   `json:"plan,omitempty"`
	Target target           `json:"target,omitzero"`
	Data   delivery.DataUse `json:"data,omitempty"`
	Done   bool             `json:"done,omitempty"`
	// Seeded reports that the limits of seeding which the task wants are reached.
	Seeded bool          `json:"seeded,omitempty"`
	Files  deliveredList `json:"files,omitempty"`
	// Failed are the files that the last try could not deliver, Failure says why
	// it is held, since HeldSince; with Ended it has failed for good.
	Failed    []core.FailedFile `json:"failed,omitempty"`
	Failure   *core.Failure     `json:"failure,omitempty"`
	HeldSince *time.Time        `json:"held_since,omitempty"`
	Ended     bool              `json:"ended,omitempty"`
	// JoinedAt is when the task came, UploadedAt what the job had sent by then.
	JoinedAt   time.Time       `json:"joined_at,omitzero"`
	UploadedAt int64           `json:"uploaded_at,omitempty"`
	Log        []core.JobEvent `json:"log,omitempty"`

	step   *step
	queued *pool
	retry  retry
	undo   retry // of taking back what was done
	taken  bool  // a planned name is taken: plan again
	// alarm is when held data is looked at.
	alarm time.Time
	// checked is the target of which the names were found to be free.
	checked target
	// progress and filesDone tell how much is at the destination; copyWaits that
	// it waits for others to be copied.
	progress  int64
	filesDone int
	copyWaits bool
	// size and fileCount are those of the wanted files, for the choice sizeFor.
	size      int64
	fileCount int
	sizeFor   *choice
}

// target is where a delivery goes, and how.
type target struct {
	Storage    core.StorageID      `json:"storage"`
	Path       string              `json:"path"`
	OnConflict core.ConflictPolicy `json:"on_conflict,omitempty"`
}

func targetOf(d *core.Delivery) target {
	return target{Storage: d.Storage, Path: d.Path, OnConflict: d.OnConflict}
}

func (t target) sameFolder(d *core.Delivery) bool { return t.Storage == d.Storage && t.Path == d.Path }

func newDeliveryRecord(want core.Delivery) *deliveryRecord { return &deliveryRecord{Want: want} }

// order takes over what core wants.
func (d *deliveryRecord) order(want *core.Delivery) {
	only := d.Want.Only
	if want.Attempt > d.Want.Attempt {
		only = want.Only
	}
	if want.Attempt > d.Want.Attempt || d.Want.Paused && !want.Paused {
		d.retry, d.Failure, d.HeldSince, d.Failed = retry{}, nil, nil, nil
	}
	d.Want, d.Left = *want, false
	d.Want.Only = only
}

// comeBack begins anew for a task that had left: how that ended does not count.
func (d *deliveryRecord) comeBack(tooLate bool) {
	d.retry, d.Failure, d.HeldSince, d.Failed = retry{}, nil, nil, nil
	d.Ended, d.Refused = false, tooLate
}

// place returns the storage that the next step of the delivery concerns.
func (d *deliveryRecord) place() core.StorageID {
	if d.Plan != nil {
		return d.Target.Storage
	}
	return d.Want.Storage
}

// copies reports whether the delivery is under way and leaves the data alone: it
// needs not wait for what others want beside that.
func (d *deliveryRecord) copies() bool { return d.Plan != nil && d.Data != delivery.DataMove }

// open reports whether the delivery is still to be made, now or later.
func (d *deliveryRecord) open() bool { return !d.Done && !d.Refused && !d.Ended && !d.Left }

// wantsData reports whether the task wants the job's data, or wants it shared.
func (d *deliveryRecord) wantsData() bool { return !d.Refused && !d.Ended && !d.Left }

// moved reports whether core wants it elsewhere than it was planned for.
func (d *deliveryRecord) moved() bool { return d.Plan != nil && d.Target != targetOf(&d.Want) }

// takesAway reports whether the delivery has moved the job's data, or is about to.
func (d *deliveryRecord) takesAway() bool {
	switch {
	case d.Done || d.Plan != nil:
		return d.Data == delivery.DataMove && (d.Done || d.step != nil)
	case d.step == nil:
		return false
	}
	return d.step.data == delivery.DataMove
}

// bringsBack reports whether data that was moved has to come back first, since
// somebody else wants it, too.
func (j *job) bringsBack(but *deliveryRecord) bool {
	return slices.ContainsFunc(j.Deliveries, func(d *deliveryRecord) bool {
		return d != but && !d.Done && d.Plan != nil && d.Data == delivery.DataMove
	})
}

// mustRetract reports whether what was done of the plan has to be undone.
func (d *deliveryRecord) mustRetract(recheck bool) bool {
	return d.Plan != nil && !d.Done && (d.Left || d.moved() || recheck)
}

// fail ends a delivery for good.
func (d *deliveryRecord) fail(err error, now time.Time) {
	d.Ended, d.Failure = true, core.NewFailure(err, now)
}

// maxLog is how many events a delivery keeps: enough for core to miss some
// sessions.
const maxLog = 20

// note adds to the delivery's log.
func (d *deliveryRecord) note(at time.Time, code errs.Code, message string) {
	seq := 1
	if n := len(d.Log); n > 0 {
		seq = d.Log[n-1].Seq + 1
	}
	d.Log = append(d.Log, core.JobEvent{Seq: seq, At: at.UTC(), Code: code, Message: message})
	if len(d.Log) > maxLog {
		d.Log = slices.Delete(d.Log, 0, len(d.Log)-maxLog)
	}
}

// note tells all tasks of a job what happened to it.
func (j *job) note(at time.Time, code errs.Code, message string) {
	for _, d := range j.Deliveries {
		if d.wantsData() {
			d.note(at, code, message)
		}
	}
	j.save()
}

// heldUntil returns when held data is given up; nil is never, or not held. What
// its owner has paused is kept as anything else that is paused.
func (d *deliveryRecord) heldUntil(hold time.Duration) *time.Time {
	if d.HeldSince == nil || hold <= 0 || d.Done || d.Ended || d.Want.Paused && d.Plan == nil {
		return nil
	}
	until := d.HeldSince.Add(hold).UTC()
	return &until
}
