package tasks

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// startJob gives one task a job: one that loads the same torrent already, or its
// own. It returns nil when the task does not wait any more.
func (s *Service) startJob(adm *admission, a schedule.Assignment) (*started, error) {
	t, err := adm.tx.Task(a.Task)
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if t.State != core.StateQueued || t.DeletedAt != nil || t.Source.MustFetch() {
		return nil, nil
	}
	owner, err := s.ownerOf(adm.tx, t)
	if err != nil {
		return s.refuse(adm.tx, t, err)
	}
	job, blocked, err := s.findJob(adm, t, &a)
	if err != nil {
		return nil, err
	}
	if blocked != "" {
		return &started{task: t, parked: blocked}, nil
	}
	joins := job != nil
	if !joins {
		job = s.newJob(t, a)
	}
	opts, limits, err := s.jobOptions(adm.tx, job.Downloader, t, owner)
	if err != nil {
		return s.refuse(adm.tx, t, err)
	}
	if !joins {
		job.Options = opts
	}
	job.Join(core.Delivery{
		Task: t.ID, Owner: t.Owner, Storage: t.Destination.Storage, Path: inHome(owner, t.Destination.Path),
		Attempt: t.Attempt, Selection: t.Selection, OnConflict: t.OnConflict, Limits: limits,
	})
	if !t.Start(job, s.now()) {
		return nil, nil
	}
	if err := adm.tx.PutJob(job); err != nil {
		return nil, err
	}
	adm.fresh[job.ID] = adm.fresh[job.ID] || !joins
	if err := s.noteState(adm.tx, t, core.StateQueued); err != nil {
		return nil, err
	}
	return &started{task: t, job: job, joined: joins}, adm.tx.PutTask(t)
}

// refuse ends a task that cannot have a job, for an error that is not of the store.
func (s *Service) refuse(tx *store.Tx, t *core.Task, why error) (*started, error) {
	if code := errs.CodeOf(why); code != errs.InvalidDestination && code != errs.StorageMissing && code != errs.InvalidOptions {
		return nil, why
	}
	if err := s.failIn(tx, t, why); err != nil {
		return nil, err
	}
	return &started{task: t}, tx.PutTask(t)
}

// ownerOf returns the owner of a task that has somewhere to go.
func (s *Service) ownerOf(tx *store.Tx, t *core.Task) (*core.User, error) {
	owner, err := tx.User(t.Owner)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.InvalidDestination, "The task's owner does not exist any more.")
	}
	if err != nil {
		return nil, err
	}
	if _, err := s.registry.Storage(string(t.Destination.Storage)); errs.Is(err, errs.NotFound) {
		return nil, errs.New(errs.StorageMissing, "The task's storage does not exist any more.")
	}
	return owner, nil
}

func (s *Service) newJob(t *core.Task, a schedule.Assignment) *core.Job {
	job := &core.Job{
		ID: core.NewID[core.JobID](), Node: a.Node, Downloader: a.Downloader,
		Source: t.Source, InfoHash: hashOf(t), Resumes: t.Resumes,
		Deadlines: s.deadlines, Hold: s.hold, CreatedAt: s.now().UTC(),
	}
	if t.Source.Stored() {
		job.ContentOf = t.ID
	}
	return job
}

// hashOf is what tells that two tasks want the same torrent; "" for other sources.
func hashOf(t *core.Task) string { return cmp.Or(t.InfoHash, t.InfoHashV2) }

// findJob returns the job that loads a task's torrent on the assigned node, at
// the assigned downloader or, where the owner leaves it open, another one. Where
// the assigned one has a job that takes no further task, another one with room
// is assigned; without any that is what blocks.
func (s *Service) findJob(adm *admission, t *core.Task, a *schedule.Assignment) (job *core.Job, blocked core.JobID, err error) {
	hash := hashOf(t)
	if hash == "" {
		return nil, "", nil
	}
	var free []core.DownloaderID
	for _, at := range choices(adm.candidates, t, a) {
		job, err := adm.tx.JobByHash(a.Node, at, hash)
		switch {
		case errs.Is(err, errs.NotFound):
			free = append(free, at)
		case err != nil:
			return nil, "", err
		case s.joinable(job, t, adm.fresh[job.ID]):
			return job, "", nil
		case at == a.Downloader:
			blocked = job.ID
		}
	}
	if blocked != "" && adm.reassign(a, free) {
		blocked = ""
	}
	return nil, blocked, nil
}

// reassign gives a task a place at one of some other downloaders, if one has room.
func (adm *admission) reassign(a *schedule.Assignment, among []core.DownloaderID) bool {
	for i := range adm.candidates {
		c := &adm.candidates[i]
		if slices.Contains(among, c.ID) && c.Active < c.MaxActive {
			c.Active++
			a.Downloader = c.ID
			return true
		}
	}
	return false
}

// choices are the downloaders whose job a task may join, the assigned one first.
func choices(candidates []schedule.Candidate, t *core.Task, a *schedule.Assignment) []core.DownloaderID {
	out := []core.DownloaderID{a.Downloader}
	if t.WantedDownloader != "" {
		return out
	}
	for i := range candidates {
		if c := &candidates[i]; c.ID != a.Downloader && c.Node == a.Node && c.Ready() && c.Takes(a.Want) {
			out = append(out, c.ID)
		}
	}
	return out
}

// joinable reports whether a job takes a task; a fresh one is not followed yet.
func (s *Service) joinable(job *core.Job, t *core.Task, fresh bool) bool {
	if job.Wish == core.JobRemove || job.Delivery(t.ID) != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.live.jobs[job.ID]
	if !fresh && (j == nil || !j.joinable() || !j.hasLeft(t.ID)) {
		return false
	}
	// Whoever has the torrent file shall not fail for want of its metadata: that
	// is there soon, or the job's deadline ends it.
	searching := job.Source.Kind == downloader.SourceMagnet && (fresh || j.seen.FileCount == 0)
	return !searching || !t.Source.Stored() || job.Wish != core.JobRun || s.deadlines.Metadata == 0
}

// jobOptions lays a task's options over those of its downloader, takes out what
// haul itself knows, and adds how long to seed.
func (s *Service) jobOptions(tx *store.Tx, id core.DownloaderID, t *core.Task, owner *core.User) (json.RawMessage, downloader.Limits, error) {
	var under json.RawMessage
	var seed *core.SeedPolicy
	if d, err := s.registry.Downloader(string(id)); err == nil { // else it has just been deleted
		under, seed = d.Options, d.Seed
	}
	merged, err := options.Merge(under, t.Options)
	if err != nil {
		return nil, downloader.Limits{}, err
	}
	opts, limits, err := options.Split(merged)
	if err != nil || !seeds(t) {
		return opts, limits, err
	}
	group, err := tx.Group(owner.Group)
	if errs.Is(err, errs.NotFound) {
		group, err = &core.Group{}, nil
	}
	if err != nil {
		return nil, limits, err
	}
	limits.Seed = core.EffectiveSeed(t.Private, t.Seed, group.Seed, seed)
	return opts, limits, nil
}

// seeds reports whether there are peers to share with.
func seeds(t *core.Task) bool {
	return t.Source.Kind == downloader.SourceMagnet || t.Source.Kind == downloader.SourceTorrent
}
