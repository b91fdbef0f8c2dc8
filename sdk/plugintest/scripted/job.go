package scripted

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Job is a job at the scripted daemon.
type Job struct {
	// Request is that of the first Add.
	Request downloader.AddRequest
	// Adds counts the calls of Add.
	Adds int
	// Status is what Check answers.
	Status downloader.Status
	// Removed reports that Remove was called, DataDeleted that it was to delete.
	Removed, DataDeleted bool

	load loadState // of a job that loads by itself
}

// Job returns a job, also after its removal, and whether it was ever added.
func (p *Plugin) Job(id string) (Job, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j, ok := p.jobs[id]
	if !ok {
		return Job{}, false
	}
	return *j, true
}

// Jobs returns the ids of all jobs that the daemon has, in the order of Add.
func (p *Plugin) Jobs() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.order), func(id string) bool { return p.jobs[id].gone() })
}

func (j *Job) gone() bool { return j.Removed || j.Status.Phase == downloader.PhaseGone }

// Set changes the status of a job and tells those who watch. An unknown job is
// left alone.
func (p *Plugin) Set(id string, change func(*downloader.Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j, ok := p.jobs[id]
	if !ok {
		return
	}
	change(&j.Status)
	j.Status.JobID = id
	for w := range p.watchers {
		w.push(j.Status)
	}
}

// Forget makes the daemon lose a job: it is reported as gone, and Add makes it
// anew.
func (p *Plugin) Forget(id string) {
	p.Set(id, func(s *downloader.Status) { *s = downloader.Status{Phase: downloader.PhaseGone} })
}

// Finish writes files below the job's directory, by their relative path, and
// completes the job.
func (p *Plugin) Finish(id string, files map[string][]byte) error {
	j, ok := p.Job(id)
	if !ok {
		return fmt.Errorf("no job %q", id)
	}
	listed, total, err := write(j.Request.Dir, files)
	if err != nil {
		return err
	}
	p.Set(id, func(s *downloader.Status) {
		s.Phase, s.Files, s.TotalBytes, s.DoneBytes, s.DownloadRate = downloader.PhaseComplete, listed, total, total, 0
	})
	return nil
}

func write(dir string, files map[string][]byte) (listed []downloader.File, total int64, _ error) {
	for i, path := range slices.Sorted(maps.Keys(files)) {
		data := files[path]
		full := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return nil, 0, err
		}
		if err := os.WriteFile(full, data, 0o644); err != nil {
			return nil, 0, err
		}
		size := int64(len(data))
		listed = append(listed, downloader.File{Index: i, Path: path, Size: size, DoneBytes: size})
		total += size
	}
	return listed, total, nil
}
