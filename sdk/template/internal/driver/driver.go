package driver

import (
	"context"
	"encoding/json"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"

	"example.org/haul-downloader-fetchd/internal/fetchd"
)

// Driver runs jobs at one fetchd.
//
// fetchd chooses the ids of its downloads and takes the same file twice. What
// finds a job again, after any restart, is its tag: haul's mark, the
// downloader's id and the job's.
type Driver struct {
	downloaderID string
	maxActive    int
	logger       hclog.Logger
	client       *fetchd.Client
	adding       *locks
	rules        *schema.Schema // of options

	mu      sync.Mutex      // guards what follows
	raised  bool            // the daemon lets as many downloads run as haul does
	unknown map[string]bool // states that were logged
}

var _ downloader.Driver = (*Driver)(nil)

// handle is the layout of Ref.Opaque, version 1: what is needed to tell whether
// the data still is where haul wanted it.
type handle struct {
	Dir string `json:"dir"`
}

func refOf(jobID, dir string) (downloader.Ref, error) {
	opaque, err := json.Marshal(handle{Dir: dir})
	if err != nil {
		return downloader.Ref{}, errs.Wrap(err, errs.Internal, "The job cannot be noted down.")
	}
	return downloader.Ref{JobID: jobID, Version: 1, Opaque: opaque}, nil
}

// dirOf returns the job's directory; "" where the ref does not tell, which is
// the directory of no download.
func dirOf(ref downloader.Ref) string {
	var h handle
	if ref.Version != 1 || json.Unmarshal(ref.Opaque, &h) != nil {
		return ""
	}
	return h.Dir
}

// mark begins every tag of this downloader.
func (d *Driver) mark() string { return "haul/" + d.downloaderID + "/" }

func (d *Driver) tag(jobID string) string { return d.mark() + jobID }

// Add implements downloader.Driver. It looks first, so that a job that was
// added by a call whose answer got lost is not added twice; calls for the same
// job wait for each other.
func (d *Driver) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	n, err := d.newDownload(req)
	if err != nil {
		return downloader.Ref{}, err
	}
	ref, err := refOf(req.JobID, req.Dir)
	if err != nil {
		return downloader.Ref{}, err
	}
	unlock, err := d.adding.lock(ctx, req.JobID)
	if err != nil {
		return downloader.Ref{}, err
	}
	defer unlock()
	if err := d.makeRoom(ctx); err != nil {
		return downloader.Ref{}, err
	}
	there, err := d.client.Downloads(ctx, n.Tag)
	if err != nil {
		return downloader.Ref{}, err
	}
	if len(there) > 0 {
		return ref, nil
	}
	if _, err := d.client.Add(ctx, n); err != nil {
		return downloader.Ref{}, err
	}
	return ref, nil
}

func (d *Driver) newDownload(req downloader.AddRequest) (fetchd.NewDownload, error) {
	if req.Source.Kind != downloader.SourceHTTP {
		return fetchd.NewDownload{}, errs.New(errs.SourceNotSupported, "fetchd takes http and https URLs only.")
	}
	o, err := d.readOptions(req.Options)
	if err != nil {
		return fetchd.NewDownload{}, err
	}
	n := fetchd.NewDownload{
		Tag: d.tag(req.JobID), URL: req.Source.URI, Dir: req.Dir, Name: req.Source.Name,
		Limit: req.Limits.DownloadRate, UserAgent: o.UserAgent,
	}
	if req.Paused {
		n.State = fetchd.Stopped
	}
	return n, nil
}

// makeRoom sees to it once that the daemon's own queue does not hold back what
// haul lets run.
func (d *Driver) makeRoom(ctx context.Context) error {
	d.mu.Lock()
	raised := d.raised
	d.mu.Unlock()
	if raised || d.maxActive == 0 {
		return nil
	}
	if err := d.client.SetMaxRunning(ctx, d.maxActive); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.raised = true
	return nil
}

// Check implements downloader.Driver. One request answers for all jobs.
func (d *Driver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	downloads, err := d.client.Downloads(ctx, "")
	if err != nil {
		return nil, err
	}
	byTag := make(map[string]fetchd.Download, len(downloads))
	for _, dl := range downloads {
		if strings.HasPrefix(dl.Tag, d.mark()) {
			byTag[dl.Tag] = dl
		}
	}
	out := make([]downloader.Status, 0, len(refs))
	for _, ref := range refs {
		dl, ok := byTag[d.tag(ref.JobID)]
		if !ok {
			out = append(out, downloader.Status{JobID: ref.JobID, Phase: downloader.PhaseGone})
			continue
		}
		out = append(out, d.status(ref, dl))
	}
	return out, nil
}

func (d *Driver) status(ref downloader.Ref, dl fetchd.Download) downloader.Status {
	s := downloader.Status{
		JobID: ref.JobID, Phase: d.phase(dl.State), Name: dl.Name,
		TotalBytes: dl.Size, DoneBytes: dl.Loaded, DownloadRate: dl.Rate,
	}
	switch {
	case dl.Dir != dirOf(ref):
		s.Phase = downloader.PhaseFailed
		s.Err = errs.New(errs.MovedAway, "The download was moved to another folder at fetchd.")
	case s.Phase == downloader.PhaseFailed:
		s.Err = dl.Problem.Err()
	case s.Phase.HasData():
		s.Files = []downloader.File{{Path: dl.Name, Size: dl.Size, DoneBytes: dl.Loaded}}
	}
	return s
}

var phases = map[string]downloader.Phase{
	fetchd.Queued:   downloader.PhaseQueued,
	fetchd.Running:  downloader.PhaseDownloading,
	fetchd.Stopped:  downloader.PhasePaused,
	fetchd.Finished: downloader.PhaseComplete,
	fetchd.Failed:   downloader.PhaseFailed,
}

// phase returns what a state means. One that we do not know is not a failure:
// haul keeps the last phase, and the log says once what a newer daemon has.
func (d *Driver) phase(state string) downloader.Phase {
	if p, ok := phases[state]; ok {
		return p
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.unknown[state] {
		d.unknown[state] = true
		d.logger.Warn("fetchd has a state that this plugin does not know", "state", state)
	}
	return downloader.PhaseUnknown
}

// Remove implements downloader.Driver. A download that is not in the job's
// directory any more is forgotten without its data.
func (d *Driver) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	downloads, err := d.client.Downloads(ctx, d.tag(ref.JobID))
	if err != nil {
		return err
	}
	for _, dl := range downloads {
		err := d.client.Remove(ctx, dl.ID, deleteData && dl.Dir == dirOf(ref))
		if err != nil && !errs.Is(err, errs.JobNotFound) {
			return err
		}
	}
	return nil
}
