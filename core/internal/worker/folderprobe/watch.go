package folderprobe

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// watch looks at the downloader and at the folder until there is nothing more
// to learn.
func (p *probe) watch(ctx context.Context) {
	root, err := os.OpenRoot(p.Dir)
	if err != nil {
		p.trouble = errs.Wrap(err, errs.PathNotWritable, "The node cannot read its own download folder.")
		return
	}
	defer root.Close()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	began := time.Now()
	var ended time.Time // when the downloader had nothing more to do
	for {
		p.lookAtJob(ctx)
		p.lookAtFolder(root)
		if ended.IsZero() && (p.has || p.failure != nil) {
			ended = time.Now()
		}
		switch {
		case p.arrived, p.failure != nil && p.wrote:
			return
		case !ended.IsZero() && time.Since(ended) > p.limits.settle:
			return
		case ended.IsZero() && p.began && p.server.requests.Load() == 0 && time.Since(began) > p.limits.reach:
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// lookAtJob asks the downloader how the job fares.
func (p *probe) lookAtJob(ctx context.Context) {
	all, err := p.Driver.Check(ctx, []downloader.Ref{*p.ref})
	if err != nil {
		if ctx.Err() == nil && !errs.IsRetryable(err) {
			p.failure = err
		}
		return
	}
	if len(all) != 1 {
		return
	}
	s := all[0]
	switch s.Phase {
	case downloader.PhaseFailed:
		p.failure = s.Err
		if s.Err == nil {
			p.failure = errs.New(errs.DownloaderError, "The downloader reported an error without a reason.")
		}
	case downloader.PhaseGone:
		p.failure = errs.New(errs.JobNotFound, "The downloader has lost the test's job, or somebody removed it.")
	case downloader.PhaseDownloading:
		p.began = true
	}
	p.has = p.has || s.Phase.HasData()
	p.began = p.began || p.has
	p.sees = p.sees || p.found(&s)
}

// found reports whether the downloader has got the file that is in place
// without asking for it.
func (p *probe) found(s *downloader.Status) bool {
	f := p.sample.placed
	if f == nil || p.server.placed.Load() > 0 {
		return false
	}
	if s.Phase.HasData() {
		return true
	}
	return s.DoneBytes >= int64(len(f.content)) && p.server.loaded.Load() == 0
}

// lookAtFolder looks for what the downloader has written. Its files may be
// unreadable here, and they still count.
func (p *probe) lookAtFolder(root *os.Root) {
	for _, f := range []*file{p.sample.empty, p.sample.loaded} {
		if f == nil {
			continue
		}
		if _, err := root.Lstat(top(f)); err == nil {
			p.wrote = true
		}
	}
	if !p.wrote || p.server.loaded.Load() == 0 {
		return
	}
	content, err := root.ReadFile(p.sample.loaded.path)
	if errors.Is(err, fs.ErrPermission) {
		p.arrived = p.has
		return
	}
	// A file may have its size before it has its content.
	p.arrived = err == nil && bytes.Equal(content, p.sample.loaded.content)
}

// top is the outermost thing on the way to a file that the downloader makes.
func top(f *file) string {
	if dirs := parents(f.path); len(dirs) > 1 {
		return dirs[1]
	}
	return f.path
}
