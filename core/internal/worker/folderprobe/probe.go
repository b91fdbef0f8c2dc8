// Package folderprobe proves that a downloader and this node share the folder of
// a job: the downloader sees what the node puts there, the node sees what the
// downloader writes there, and may read, move and delete it.
//
// It runs a small job through the downloader's driver. Where that takes
// torrents, it is a torrent of three files in folders of their own: one that the
// node has put in place and the downloader has to find; an empty one, which most
// daemons make without any network; and one to be loaded from a web seed, which
// the node itself is for the length of the probe. Else it is a file to be loaded
// over HTTP. No tracker, no DHT, and no other machine are involved.
package folderprobe

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core/internal/worker/access"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// Timeout is how long a whole probe takes at most.
	Timeout = 20 * time.Second
	// cleanTime is the part of it for removing the job.
	cleanTime = 4 * time.Second
	// lookEvery is how often the downloader and the folder are looked at.
	lookEvery = 150 * time.Millisecond
)

// limits are how long the parts of a probe may take.
type limits struct {
	// work is for the whole job.
	work time.Duration
	// reach is for the downloader to ask for the file that the node serves.
	reach time.Duration
	// settle is for what was written to show.
	settle time.Duration
}

// defaultLimits leave time for daemons that begin with a web seed only after
// two or three seconds.
var defaultLimits = limits{work: 15 * time.Second, reach: 8 * time.Second, settle: 2 * time.Second}

// Options say what to probe.
type Options struct {
	Driver downloader.Driver
	// Sources are the kinds that the driver takes.
	Sources []downloader.SourceKind
	// JobID is one that no job has.
	JobID string
	// Dir is the job's empty data folder, as this node calls it. What is moved
	// goes to a folder beside it.
	Dir string
	// DaemonDir is what the downloader calls it.
	DaemonDir string
	// Root is the folder of all jobs, and DaemonRoot what the downloader calls
	// it: what people know, and set up.
	Root, DaemonRoot string
	// LocalAddress is where the downloader can reach this machine; empty or a
	// loopback address where it is on this machine.
	LocalAddress string
	// Remove removes the job's directory, Dir and all beside it.
	Remove func() error
	Logger hclog.Logger

	limits limits // of tests; none means the default
}

// Run makes the probe and returns what it found; trouble is a part of that.
// Whatever happens, the job, the folder and the web server are gone when it
// returns, as far as they can be removed; what stays is told.
func Run(ctx context.Context, o Options) []downloader.TestCheck {
	p := &probe{Options: o}
	if p.limits == (limits{}) {
		p.limits = defaultLimits
	}
	if !p.choose() {
		return []downloader.TestCheck{{Name: CheckShared, Message: "The shared folder was not tried: the plugin takes neither torrents nor HTTP downloads."}}
	}
	work, cancel := context.WithTimeout(ctx, p.limits.work)
	defer cancel()
	p.run(work)
	p.clean(ctx)
	return p.checks(ctx.Err())
}

// probe is one test under way.
type probe struct {
	Options
	sample sample
	server *server
	lists  bool
	group  int // that the downloader's user has to be in

	request *downloader.AddRequest // nil until it is made
	ref     *downloader.Ref        // nil until it is added
	evidence
}

// evidence is what was seen.
type evidence struct {
	sees    bool // the downloader found the file that the node has put in place
	wrote   bool // something of the downloader shows in the folder
	arrived bool // the loaded file is here, whole
	has     bool // the downloader claims to have everything
	began   bool // the downloader has got as far as loading

	failure error // of the job
	trouble error // of the probe itself
	unmoved error // what the node could not do with the downloader's files
	left    error // what could not be removed
}

// choose makes the sample that suits the downloader.
func (p *probe) choose() bool {
	switch {
	case slices.Contains(p.Sources, downloader.SourceTorrent):
		p.sample = newTorrentSample()
	case slices.Contains(p.Sources, downloader.SourceHTTP):
		p.sample = newFileSample()
	default:
		return false
	}
	return true
}

func (p *probe) run(ctx context.Context) {
	if err := p.place(); err != nil {
		p.trouble = errs.Wrap(err, errs.PathNotWritable, "The node cannot write into its own download folder.")
		return
	}
	var err error
	if p.server, err = serve(ctx, p.LocalAddress, p.sample); err != nil {
		p.trouble = errs.Wrap(err, errs.Unavailable, "The node cannot serve a file for the test.")
		return
	}
	defer p.server.close()
	p.request = &downloader.AddRequest{JobID: p.JobID, Dir: p.DaemonDir, Source: p.sample.source(p.server.url)}
	if p.failure = p.add(ctx); p.failure != nil {
		return
	}
	p.watch(ctx)
	if p.wrote {
		p.unmoved = p.move()
	}
}

func (p *probe) add(ctx context.Context) error {
	ref, err := p.Driver.Add(ctx, *p.request)
	if err == nil {
		p.ref = &ref
	}
	return err
}

// clean removes everything. The downloader deletes its data, too, as the node
// may not be able to.
func (p *probe) clean(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTime)
	defer cancel()
	if p.ref == nil && errs.KindOf(p.failure) == errs.KindCanceled {
		// The answer is lost, and perhaps not the request: only another Add
		// tells how to remove the job.
		if err := p.add(ctx); err != nil {
			p.Logger.Debug("the test's job could not be added", "job", p.JobID, "err", err)
		}
	}
	if p.ref != nil {
		if err := p.Driver.Remove(ctx, *p.ref, true); err != nil {
			p.Logger.Warn("a job of a test stays at the downloader", "job", p.JobID, "err", err)
			p.left = err
		}
	}
	if err := p.removeDir(ctx); err != nil {
		p.Logger.Warn("a folder of a test stays", "job", p.JobID, "err", err)
		p.left = err
	}
}

// removeDir removes the folder. A downloader may still be writing, or deleting,
// for a moment.
func (p *probe) removeDir(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		err := p.Remove()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

// place puts into the folder what the downloader has to find there.
func (p *probe) place() error {
	info, err := os.Stat(p.Dir)
	if err != nil {
		return err
	}
	p.group = groupOf(info)
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f := p.sample.placed
	if f == nil {
		return nil
	}
	for _, dir := range parents(f.path) {
		if err := p.makeShared(root, dir); err != nil {
			return err
		}
	}
	placed, err := root.OpenFile(f.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer placed.Close()
	if err := access.ShareFile(placed, p.group); err != nil {
		return err
	}
	_, err = placed.Write(f.content)
	return err
}

func (p *probe) makeShared(root *os.Root, dir string) error {
	if err := root.Mkdir(dir, 0o700); err != nil {
		return err
	}
	f, err := root.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	p.lists, err = access.Share(f, p.group)
	return err
}

// parents returns the folders that lead to a relative path, the outermost first.
func parents(path string) []string {
	var out []string
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		out = append(out, dir)
	}
	slices.Reverse(out)
	return out
}
