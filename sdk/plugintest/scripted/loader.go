package scripted

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// loader is the driver of a Plugin that loads by itself.
type loader struct {
	*driver
	config  downloader.Config
	address string // of another daemon, of which there is none

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	loads  sync.WaitGroup
}

var (
	_ downloader.Pauser       = (*loader)(nil)
	_ downloader.FileSelector = (*loader)(nil)
	_ downloader.Limiter      = (*loader)(nil)
)

// newLoader takes up the jobs that the state directory names.
func newLoader(p *Plugin, cfg downloader.Config) (*loader, error) {
	var s struct {
		Address string `json:"address"`
		Secret  string `json:"secret"`
	}
	if err := decodeStrictly(cfg.Settings, &s); err != nil {
		return nil, errs.New(errs.InvalidSettings, "The settings are not valid.") // err may quote the secret
	}
	if err := checkAddress(s.Address); err != nil {
		return nil, err
	}
	d := &loader{driver: &driver{p}, config: cfg, address: s.Address}
	d.ctx, d.cancel = context.WithCancel(context.Background())
	if err := d.restore(); err != nil {
		return nil, errs.Wrap(err, errs.DownloaderError, "The jobs cannot be read.")
	}
	return d, nil
}

func decodeStrictly(raw []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

func checkAddress(address string) error {
	if address == "" {
		return nil
	}
	if _, _, err := source.ParseURL(address); err != nil || !strings.HasPrefix(address, "http") {
		return errs.New(errs.InvalidSettings, "The address is not valid.").WithField("address", "is not a URL")
	}
	return nil
}

// reach answers for a daemon at an address: there never is one.
func (d *loader) reach(ctx context.Context) error {
	if d.address == "" {
		return ctx.Err()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, d.address, http.NoBody)
	if err != nil {
		return errs.Wrap(err, errs.DownloaderUnreachable, "The daemon does not answer.")
	}
	resp, err := http.DefaultClient.Do(req)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return errs.Wrap(err, errs.DownloaderUnreachable, "The daemon does not answer.")
	}
	_ = resp.Body.Close()
	return errs.New(errs.NotADownloader, "That is a web server.")
}

// enter is the plugin's, and looks for the daemon.
func (d *loader) enter(ctx context.Context, op Op) error {
	if err := d.p.enter(ctx, op); err != nil {
		return err
	}
	return d.reach(ctx)
}

// Add implements downloader.Driver.
func (d *loader) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	if err := checkOptions(req.Options); err != nil {
		return downloader.Ref{}, err
	}
	load, err := d.plan(req)
	if err != nil {
		return downloader.Ref{}, err
	}
	if err := d.enter(ctx, OpAdd); err != nil {
		return downloader.Ref{}, err
	}
	if err := d.p.claim(req, load); err != nil {
		return downloader.Ref{}, err
	}
	d.proceed(req.JobID)
	return refOf(req.JobID), d.save()
}

func checkOptions(raw []byte) error {
	if len(raw) == 0 {
		return nil
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return errs.New(errs.InvalidOptions, "The options are not a JSON object.")
	}
	for key, value := range keys {
		var agent string
		if key != "user_agent" || json.Unmarshal(value, &agent) != nil {
			return errs.New(errs.InvalidOptions, "An option is not valid.").WithField("options."+key, "is not a valid option")
		}
	}
	return nil
}

// claim makes the job, unless it is there or another has its torrent.
func (p *Plugin) claim(req downloader.AddRequest, load loadState) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, j := range p.jobs {
		if id != req.JobID && load.Hash != "" && j.load.Hash == load.Hash && !j.gone() {
			return errs.New(errs.InUse, "Another job has that torrent.")
		}
	}
	if p.addLocked(req) {
		j := p.jobs[req.JobID]
		j.load, j.Status.InfoHash, j.Status.Name = load, load.Hash, load.Name
		if req.Paused {
			j.Status.Phase = downloader.PhasePaused
		}
		j.report()
	}
	return nil
}

// Check implements downloader.Driver.
func (d *loader) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	if err := d.reach(ctx); err != nil {
		return nil, err
	}
	return d.driver.Check(ctx, refs)
}

// Remove implements downloader.Driver.
func (d *loader) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	if err := d.reach(ctx); err != nil {
		return err
	}
	d.p.halt(ref.JobID)
	j, known := d.p.Job(ref.JobID)
	if err := d.driver.Remove(ctx, ref, deleteData); err != nil || !known || j.Removed {
		return err
	}
	if deleteData {
		j.deleteFiles()
	}
	return d.save()
}

// Pause implements downloader.Pauser.
func (d *loader) Pause(ctx context.Context, ref downloader.Ref) error {
	return d.order(ctx, OpPause, ref, func() error {
		d.p.halt(ref.JobID)
		d.p.change(ref.JobID, func(j *Job) {
			if !j.Status.Phase.HasData() {
				j.Status.Phase = downloader.PhasePaused
			}
		})
		return nil
	})
}

// Resume implements downloader.Pauser.
func (d *loader) Resume(ctx context.Context, ref downloader.Ref) error {
	return d.order(ctx, OpResume, ref, func() error {
		d.p.change(ref.JobID, func(j *Job) {
			if !j.Status.Phase.HasData() {
				j.Status.Phase = downloader.PhaseDownloading
			}
		})
		return nil
	})
}

// SelectFiles implements downloader.FileSelector.
func (d *loader) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	return d.order(ctx, OpSelectFiles, ref, func() error {
		var err error
		d.p.change(ref.JobID, func(j *Job) { err = j.load.choose(files) })
		return err
	})
}

// SetLimits implements downloader.Limiter.
func (d *loader) SetLimits(ctx context.Context, ref downloader.Ref, limits downloader.Limits) error {
	return d.order(ctx, OpSetLimits, ref, func() error {
		d.p.change(ref.JobID, func(j *Job) {
			j.Request.Limits = limits
			if j.Status.Phase.HasData() {
				j.Status.Phase = dataPhase(limits)
			}
		})
		return nil
	})
}

// dataPhase is that of a job that has its data.
func dataPhase(limits downloader.Limits) downloader.Phase {
	if limits.Seed != nil {
		return downloader.PhaseSeeding
	}
	return downloader.PhaseComplete
}

// order carries out what is asked of a job that the daemon has.
func (d *loader) order(ctx context.Context, op Op, ref downloader.Ref, do func() error) error {
	if err := d.enter(ctx, op); err != nil {
		return err
	}
	if j, ok := d.p.Job(ref.JobID); !ok || j.gone() {
		return errs.New(errs.JobNotFound, "There is no such job.")
	}
	if err := do(); err != nil {
		return err
	}
	d.proceed(ref.JobID)
	return d.save()
}

// Test implements downloader.Tester.
func (d *loader) Test(ctx context.Context) (downloader.TestResult, error) {
	if err := d.reach(ctx); err != nil {
		return downloader.TestResult{Checks: []downloader.TestCheck{
			{Name: "reachable", Message: errs.MessageOf(err), Err: err},
		}}, nil
	}
	return d.driver.Test(ctx)
}

// List implements downloader.Lister.
func (d *loader) List(ctx context.Context) ([]downloader.Listed, error) {
	if err := d.reach(ctx); err != nil {
		return nil, err
	}
	jobs, err := d.driver.List(ctx)
	return slices.DeleteFunc(jobs, func(l downloader.Listed) bool { return !d.owns(l.Ref.JobID) }), err
}

func (d *loader) owns(id string) bool {
	j, _ := d.p.Job(id)
	return j.load.Owner == d.config.DownloaderID
}

// Close implements downloader.Closer.
func (d *loader) Close(ctx context.Context) error {
	d.cancel()
	d.loads.Wait()
	return d.driver.Close(ctx)
}

// plan says what a request means.
func (d *loader) plan(req downloader.AddRequest) (loadState, error) {
	l := loadState{Owner: d.config.DownloaderID}
	switch req.Source.Kind {
	case downloader.SourceHTTP:
		_, name, err := source.ParseURL(req.Source.URI)
		if err != nil {
			return l, errs.Wrap(err, errs.InvalidSource, "That is not a URL.")
		}
		if req.Source.Name != "" {
			name = req.Source.Name
		}
		l.Name, l.Parts = name, []part{{Path: name, URL: req.Source.URI}}
	case downloader.SourceTorrent:
		t, err := source.ParseTorrent(req.Source.Content)
		if err != nil {
			return l, err
		}
		l.Name, l.Hash = t.Name, t.InfoHash
		if l.Parts, err = partsOf(t); err != nil {
			return l, err
		}
	default:
		return l, errs.New(errs.SourceNotSupported, "The scripted downloader does not take that.")
	}
	return l, l.choose(req.Files)
}

func partsOf(t *source.Torrent) ([]part, error) {
	if len(t.WebSeeds) == 0 {
		return nil, errs.New(errs.InvalidSource, "The torrent has no web seed.")
	}
	seed, err := url.Parse(t.WebSeeds[0])
	if err != nil {
		return nil, errs.Wrap(err, errs.InvalidSource, "The torrent's web seed is not a URL.")
	}
	parts := make([]part, len(t.Files))
	for i, f := range t.Files {
		parts[i] = part{Path: f.Path, URL: seed.JoinPath(f.Path).String(), Size: f.Size}
	}
	return parts, nil
}
