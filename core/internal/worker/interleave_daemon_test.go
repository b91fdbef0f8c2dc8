package worker

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// life is that of one node. Once it is over the node cannot do anything any
// more: its calls fail, and its journal takes nothing.
type life struct {
	mu   sync.Mutex // guards all below
	left int        // points until it ends; 0 is never
	over bool
}

// point is a moment between two steps; it reports whether the node is dead.
func (l *life) point() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left > 0 {
		l.left--
		l.over = l.over || l.left == 0
	}
	return l.over
}

func (l *life) isOver() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over
}

func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
}

func (l *life) arm(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left = n
}

// memoryKV is a journal in memory.
type memoryKV struct {
	store.KV // what the node does not use

	mu      sync.Mutex // guards all below
	entries map[string][]byte
	life    *life
	err     error
}

func (k *memoryKV) Get(_ context.Context, key string) (*store.Entry, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	v, ok := k.entries[key]
	if !ok {
		return nil, nil
	}
	return &store.Entry{Key: key, Value: slices.Clone(v)}, nil
}

func (k *memoryKV) Range(_ context.Context, r store.RangeRequest) (*store.RangeResult, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := &store.RangeResult{}
	for _, key := range slices.Sorted(maps.Keys(k.entries)) {
		if strings.HasPrefix(key, r.Prefix) && key > r.After {
			out.Entries = append(out.Entries, store.Entry{Key: key, Value: slices.Clone(k.entries[key])})
		}
	}
	return out, nil
}

func (k *memoryKV) Commit(_ context.Context, t *store.Txn) (*store.TxnResult, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.life.point() {
		return nil, errDead
	}
	if k.err != nil {
		return nil, k.err
	}
	for _, op := range t.Then {
		if op.Type == store.OpDelete {
			delete(k.entries, op.Key)
			continue
		}
		k.entries[op.Key] = slices.Clone(op.Value)
	}
	if k.life.point() {
		return nil, errDead
	}
	return &store.TxnResult{Succeeded: true}, nil
}

func (k *memoryKV) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// daemon is a scripted one that is slow, now and then away, and keeps count.
type daemon struct {
	*scripted.Plugin

	mu     sync.Mutex // guards all below
	random *rand.Rand
	away   bool
	// mute makes so many answers get lost of what was done.
	mute int
	// made counts how often it has begun a job, lost how often it has lost it.
	made, lost map[string]int
	// chosen are the files that it was told to load; none is all. before has
	// what it was told before that, and forgot how often it went back to it.
	chosen, before map[string][]int
	forgot         map[string]int
}

// mostForgotten is how often a daemon forgets one job's selection, at most.
const mostForgotten = 2

func (d *daemon) locked(f func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f()
}

// once reports true once in n times.
func (d *daemon) once(n int) (yes bool) {
	d.locked(func() { yes = d.random.IntN(n) == 0 })
	return yes
}

func (d *daemon) nap(ctx context.Context) {
	var length time.Duration
	if d.once(3) {
		d.locked(func() { length = time.Duration(d.random.IntN(700)) * time.Millisecond })
	}
	select {
	case <-time.After(length):
	case <-ctx.Done():
	}
}

// has reports whether the daemon has a job.
func (d *daemon) has(id string) bool { return slices.Contains(d.Jobs(), id) }

// filesOf are the files of every job; what is in them tells of which.
var filesOf = []string{"a.bin", "d/b.bin", "d/e/c.bin"}

func contentOfFile(job string, i int) string { return job + " " + filesOf[i] }

// listed are the files of a job, some of them whole.
func (d *daemon) listed(id string, whole bool) []downloader.File {
	var out []downloader.File
	var chosen []int
	d.locked(func() { chosen = d.chosen[id] })
	for i, path := range filesOf {
		size := int64(len(contentOfFile(id, i)))
		f := downloader.File{Index: i, Path: path, Size: size, Skipped: skipped(chosen, i)}
		if whole && !f.Skipped {
			f.DoneBytes = size
		}
		out = append(out, f)
	}
	return out
}

// choose changes which files of a job are loaded.
func (d *daemon) choose(id string, files []int) {
	d.locked(func() { d.chosen[id] = files })
	d.Set(id, func(st *downloader.Status) {
		if st.Phase == downloader.PhaseComplete {
			st.Phase = downloader.PhaseDownloading // there may be more to load
		}
		st.Files = slices.Clone(st.Files)
		for i := range st.Files {
			st.Files[i].Skipped = skipped(files, i)
		}
	})
}

// forgetSelection is a daemon that dies before it has saved a selection.
func (d *daemon) forgetSelection(id string) {
	var before []int
	forgets := false
	d.locked(func() {
		if before, forgets = d.before[id]; !forgets || d.forgot[id] == mostForgotten {
			forgets = false
			return
		}
		d.forgot[id]++
		delete(d.before, id)
	})
	if j, ok := d.Job(id); ok && forgets && !j.Status.Phase.HasData() {
		d.choose(id, before)
	}
}

func skipped(files []int, i int) bool { return len(files) > 0 && !slices.Contains(files, i) }

// load lets a job get on, to its end or to somewhere before.
func (d *daemon) load(id string, whole bool) error {
	j, ok := d.Job(id)
	if !ok || !d.has(id) || j.Status.Phase != downloader.PhaseDownloading {
		return nil
	}
	files := d.listed(id, whole)
	var total, done int64
	for i, f := range files {
		if f.Skipped {
			continue
		}
		total, done = total+f.Size, done+f.DoneBytes
		if !whole {
			continue
		}
		if err := write(filepath.Join(j.Request.Dir, filepath.FromSlash(f.Path)), contentOfFile(id, i)); err != nil {
			if !d.has(id) {
				return nil // it was removed meanwhile, with its data
			}
			return err
		}
	}
	d.Set(id, func(s *downloader.Status) {
		s.Files, s.TotalBytes, s.DoneBytes = files, total, done
		if whole {
			s.Phase = downloader.PhaseComplete
		}
	})
	return nil
}

func write(path, content string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(content), 0o644)
}

// shakyDriver is how one node speaks with the daemon.
type shakyDriver struct {
	downloader.Driver
	daemon *daemon
	life   *life
}

func errAway() error { return errs.New(errs.DownloaderUnreachable, "The daemon is away.") }

// call carries out one call, unless the node dies or the daemon is away.
func (s *shakyDriver) call(ctx context.Context, do func() error) error {
	s.daemon.nap(ctx)
	var away, mute bool
	s.daemon.locked(func() { away = s.daemon.away })
	switch {
	case s.life.point():
		return errDead
	case ctx.Err() != nil:
		return ctx.Err()
	case away:
		return errAway()
	}
	err := do()
	s.daemon.nap(ctx)
	s.daemon.locked(func() {
		if s.daemon.mute > 0 {
			s.daemon.mute--
			mute = true
		}
	})
	switch {
	case s.life.point():
		return errDead
	case mute:
		return errAway()
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return err
}

func (s *shakyDriver) Add(ctx context.Context, req downloader.AddRequest) (ref downloader.Ref, err error) {
	err = s.call(ctx, func() error {
		had := s.daemon.has(req.JobID)
		ref, err = s.Driver.Add(ctx, req)
		if err == nil && !had {
			s.daemon.locked(func() {
				s.daemon.made[req.JobID]++
				s.daemon.chosen[req.JobID] = req.Files
			})
			if req.Paused {
				s.daemon.Set(req.JobID, func(st *downloader.Status) { st.Phase = downloader.PhasePaused })
			}
		}
		return err
	})
	return ref, err
}

func (s *shakyDriver) Check(ctx context.Context, refs []downloader.Ref) (out []downloader.Status, err error) {
	err = s.call(ctx, func() error {
		out, err = s.Driver.Check(ctx, refs)
		for i := range out {
			out[i].Files = slices.Clone(out[i].Files)
		}
		return err
	})
	return out, err
}

func (s *shakyDriver) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	return s.call(ctx, func() error { return s.Driver.Remove(ctx, ref, deleteData) })
}

func (s *shakyDriver) Pause(ctx context.Context, ref downloader.Ref) error {
	return s.order(ctx, ref, func(st *downloader.Status) { st.Phase = downloader.PhasePaused })
}

func (s *shakyDriver) Resume(ctx context.Context, ref downloader.Ref) error {
	return s.order(ctx, ref, func(st *downloader.Status) { st.Phase = downloader.PhaseDownloading })
}

func (s *shakyDriver) SetLimits(ctx context.Context, ref downloader.Ref, _ downloader.Limits) error {
	return s.order(ctx, ref, func(*downloader.Status) {})
}

func (s *shakyDriver) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	return s.call(ctx, func() error {
		if !s.daemon.has(ref.JobID) {
			return errs.New(errs.JobNotFound, "There is no such job.")
		}
		s.daemon.locked(func() { s.daemon.before[ref.JobID] = s.daemon.chosen[ref.JobID] })
		s.daemon.choose(ref.JobID, files)
		return nil
	})
}

func (s *shakyDriver) order(ctx context.Context, ref downloader.Ref, change func(*downloader.Status)) error {
	return s.call(ctx, func() error {
		j, ok := s.daemon.Job(ref.JobID)
		if !ok || !s.daemon.has(ref.JobID) {
			return errs.New(errs.JobNotFound, "There is no such job.")
		}
		if !j.Status.Phase.HasData() {
			s.daemon.Set(ref.JobID, change)
		}
		return nil
	})
}
