package worker

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// applied is what a downloader has been told of a job, and has accepted.
type applied struct {
	// Paused is the last order to stop or go on.
	Paused bool `json:"paused,omitempty"`
	// ForSpace says that this was for want of space.
	ForSpace bool `json:"for_space,omitempty"`
	// Files are the indexes of the wanted files; empty wants all.
	Files []int `json:"files,omitempty"`
	// Selected says that it was ever told of less than all, or was to be; also
	// before it had lost the job.
	Selected bool              `json:"selected,omitempty"`
	Limits   downloader.Limits `json:"limits,omitzero"`
	Resumes  int               `json:"resumes,omitempty"`
}

// repeatAfter is how long a downloader gets to show that it has followed an
// order, before it is given again: some take seconds, and some lose orders.
const repeatAfter = 5 * time.Second

// mostReselections is how often a selection is repeated that a daemon does not
// show with all that it holds loaded.
const mostReselections = 3

// selectionSettles is how long a daemon may stop by itself after a selection: it
// may have been complete by the one before just then.
const selectionSettles = 3 * time.Second

// adjustment is an order for a job that the downloader has.
type adjustment int

// The adjustments, in the order in which they are given.
const (
	adjustNone adjustment = iota
	adjustFiles
	adjustLimits
	adjustPause
	adjustResume
)

// added notes what an Add has told the downloader.
func (j *job) added(req *downloader.AddRequest) {
	selected := j.Applied.Selected || len(req.Files) > 0
	j.Applied = applied{Paused: req.Paused, Limits: req.Limits, Resumes: j.Job.Resumes, Files: req.Files, Selected: selected}
	// A magnet link's files are not known yet: the selection is repeated then.
	if req.Source.Kind == downloader.SourceMagnet && len(req.Files) > 0 || j.Unsure && hasFiles(req.Source.Kind) {
		j.Applied.Files, j.Applied.Selected = unselected, true
	}
	if j.Unsure {
		j.Applied.Limits, j.Unsure = downloader.Limits{}, false
	}
	j.ran, j.orderedAt = false, time.Now()
}

// hasFiles reports whether files can be selected of a kind of source.
func hasFiles(k downloader.SourceKind) bool {
	return k == downloader.SourceMagnet || k == downloader.SourceTorrent || k == downloader.SourceMetalink
}

// wantsPause reports whether the downloader shall stop the job: since everybody
// wants that, or for want of space.
func (n *Node) wantsPause(j *job) bool { return j.Job.Wish == core.JobPause || n.spacePaused(j) }

// adjusts returns the order that the downloader has to be given next, and when.
func (n *Node) adjusts(j *job) (adjustment, time.Time) {
	if j.Ending != 0 || j.Ref == nil {
		return adjustNone, time.Time{}
	}
	if j.dataIsThere() {
		if j.seeds() && !reflect.DeepEqual(j.Job.Limits, j.Applied.Limits) {
			return adjustLimits, j.retry.at
		}
		return adjustNone, time.Time{}
	}
	if j.Phase != core.JobQueued {
		return adjustNone, time.Time{}
	}
	paused, repeat := n.wantsPause(j), j.orderedAt.Add(repeatAfter)
	switch {
	case j.mustSelect() && j.canSelect():
		return adjustFiles, j.retry.at
	case !reflect.DeepEqual(j.Job.Limits, j.Applied.Limits):
		return adjustLimits, j.retry.at
	case paused && !j.Applied.Paused:
		return adjustPause, j.retry.at
	case paused && (j.phase == core.JobDownloading || j.phase == core.JobMetadata):
		return adjustPause, later(repeat, j.retry.at)
	case !paused && (j.Applied.Paused || j.Applied.Resumes < j.Job.Resumes):
		return adjustResume, j.retry.at
	case !paused && j.phase == core.JobPaused && !j.Stopped:
		return adjustResume, later(repeat, j.retry.at)
	}
	return adjustNone, time.Time{}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// mustRelease reports whether somebody wants verified what is loaded.
func (j *job) mustRelease() bool {
	return j.Rechecks < j.Job.Rechecks && j.Ref != nil && j.Ending == 0 &&
		(j.Phase == core.JobQueued || j.Phase == core.JobDownloaded || j.Phase == core.JobSeeding)
}

// planned reports whether a delivery that is to be made has a plan.
func (j *job) planned() bool {
	return slices.ContainsFunc(j.Deliveries, func(d *deliveryRecord) bool { return d.Plan != nil && !d.Done })
}

// adjuster returns a function that gives the order which is due.
func (n *Node) adjuster(j *job, b *backend) func(context.Context) stepDone {
	what, _ := n.adjusts(j)
	driver, ref, limits, files, resumes := b.inst.Driver(), *j.Ref, j.Job.Limits, j.wantedFiles().files, j.Job.Resumes
	forSpace, selected := j.Job.Wish == core.JobRun, files
	if len(selected) == 0 {
		for _, f := range j.Files {
			selected = append(selected, f.Index)
		}
	}
	// A downloader may have stopped a magnet link to let the files be chosen.
	goOn := !n.wantsPause(j) && j.phase == core.JobPaused && slices.Equal(j.Applied.Files, unselected)
	return func(ctx context.Context) stepDone {
		done := stepDone{adjusted: what, resumes: resumes, forSpace: forSpace}
		switch what {
		case adjustFiles:
			done.files = files
			done.err = selectFiles(ctx, driver, ref, selected)
			if done.err == nil && goOn {
				done.err = resume(ctx, driver, ref)
			}
		case adjustLimits:
			done.limits = limits
			done.err = setLimits(ctx, driver, ref, limits)
		case adjustPause:
			done.err = pauseJob(ctx, driver, ref)
		case adjustResume:
			done.err = resume(ctx, driver, ref)
		}
		return done
	}
}

func selectFiles(ctx context.Context, d downloader.Driver, ref downloader.Ref, files []int) error {
	s, ok := d.(downloader.FileSelector)
	if !ok {
		return errNotOffered("select files")
	}
	return s.SelectFiles(ctx, ref, files)
}

func setLimits(ctx context.Context, d downloader.Driver, ref downloader.Ref, l downloader.Limits) error {
	s, ok := d.(downloader.Limiter)
	if !ok {
		return errNotOffered("limit a job")
	}
	return s.SetLimits(ctx, ref, l)
}

func pauseJob(ctx context.Context, d downloader.Driver, ref downloader.Ref) error {
	p, ok := d.(downloader.Pauser)
	if !ok {
		return errNotOffered("pause a job")
	}
	return p.Pause(ctx, ref)
}

func resume(ctx context.Context, d downloader.Driver, ref downloader.Ref) error {
	p, ok := d.(downloader.Pauser)
	if !ok {
		return errNotOffered("resume a job")
	}
	return p.Resume(ctx, ref)
}

func errNotOffered(what string) error {
	return errs.New(errs.NotOffered, "The downloader cannot %s.", what)
}

// onAdjusted takes in how an order was received.
func (n *Node) onAdjusted(j *job, e stepDone) {
	b := e.step.back
	switch {
	case e.err == nil, errs.Is(e.err, errs.NotOffered):
		if e.err != nil {
			n.log.Warn("the downloader does not offer what its job needs", "job", j.Job.ID, "downloader", b.want.Name, "err", e.err)
		}
		j.retry, j.waiting = retry{}, nil
		j.orderedAt = time.Now()
		j.apply(e)
		j.addedAt = n.tick() // what was asked for before says nothing any more
		b.checkNow = true
		n.succeeded(b, e.step.since, true)
	case scopeOf(e.err) == scopeGivenUp:
	case scopeOf(e.err) == scopeDownloader:
		n.troubled(j, b, e)
	case e.adjusted == adjustFiles && errs.CodeOf(e.err).Kind() == errs.KindInvalid:
		j.fail(e.err, n.now())
	default:
		// The job may be gone, or the metadata: the next look tells.
		b.checkNow = true
		j.again(e.err)
	}
}

// apply notes an order that was accepted.
func (j *job) apply(e stepDone) {
	was := j.Applied
	switch e.adjusted {
	case adjustFiles:
		j.Applied.Files = slices.Clone(e.files)
		if !slices.Equal(e.files, j.reselecting) {
			j.reselected = 0 // it is another one
		}
		j.selectedAt = time.Now()
		// A magnet link may stop for its first selection after that was made.
		if slices.Equal(was.Files, unselected) {
			j.ran, j.Stopped = false, false
		}
	case adjustLimits:
		j.Applied.Limits = e.limits
	case adjustPause:
		j.Applied.Paused, j.Applied.ForSpace = true, e.forSpace
	case adjustResume:
		j.Applied.Paused, j.Applied.ForSpace, j.Applied.Resumes = false, false, e.resumes
		j.ran, j.Stopped = false, false
	}
	if !reflect.DeepEqual(was, j.Applied) {
		j.save()
	}
}

// notice tells a job that runs from one that was stopped by hand. What was asked
// for before the last order tells nothing of that.
func (n *Node) notice(j *job, p downloader.Phase, since uint64) {
	was := j.Stopped
	switch {
	case since < j.addedAt, time.Since(j.selectedAt) < selectionSettles:
	case p == downloader.PhaseDownloading, p == downloader.PhaseMetadata:
		j.ran, j.Stopped = true, false
	case p == downloader.PhasePaused && j.ran && !n.wantsPause(j):
		j.Stopped = true
	}
	if j.Stopped != was {
		j.save()
		n.touch(j)
	}
}

// wasAway notes that nobody watched the jobs of a downloader for a moment.
func (n *Node) wasAway(b *backend) {
	for _, j := range n.jobs {
		if j.Job.Downloader == b.want.ID {
			j.ran = false
		}
	}
}

// waitingForOrder says that a job is not as it is wanted.
func (n *Node) waitingForOrder(j *job) *core.Waiting {
	if j.Phase != core.JobQueued || j.hasData {
		return nil
	}
	paused := j.phase == core.JobPaused
	switch {
	case n.wantsPause(j) && !paused:
		return &core.Waiting{Code: core.WaitingForPause, Message: "The downloader has not confirmed the pause yet."}
	case !n.wantsPause(j) && paused && j.Stopped:
		return &core.Waiting{Code: core.WaitingForResume, Message: "Somebody stopped it at the downloader. Resume it to go on."}
	}
	return nil
}

// optionsOf returns a job's options, nil where there are none.
func optionsOf(j *core.Job) []byte {
	if len(j.Options) == 0 || string(j.Options) == "null" {
		return nil
	}
	return slices.Clone(j.Options)
}
