package worker

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/core/internal/secret"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

// stage is a node with all that it has to do with: a daemon, a disk, and a core
// that is a model of the real one.
type stage struct {
	dir    string
	box    *secret.Box
	kv     *memoryKV
	daemon *daemon
	wrong  []string

	node    *Node // nil while it is dead
	life    *life
	session core.Session
	reading sync.WaitGroup
	ahead   atomic.Int64 // of the node's clock, in hours

	jobs  []*core.DesiredJob
	tasks []*wanted

	mu       sync.Mutex // guards observed
	observed map[core.JobID]core.ObservedJob
}

// wanted is what one task wants, and has wanted before.
type wanted struct {
	id         core.TaskID
	job        *core.DesiredJob
	paths      []string
	selections []core.Selection
	left       bool
}

func newStage(dir string, box *secret.Box, seed uint64) *stage {
	s := &stage{dir: dir, box: box, kv: &memoryKV{entries: map[string][]byte{}}, observed: map[core.JobID]core.ObservedJob{}}
	s.daemon = &daemon{
		Plugin: scripted.New(scripted.Options{}), random: rand.New(rand.NewPCG(seed, 0)),
		made: map[string]int{}, lost: map[string]int{}, chosen: map[string][]int{},
		before: map[string][]int{}, forgot: map[string]int{},
	}
	if err := os.Mkdir(s.root(), 0o755); err != nil {
		s.fail("make the storage: %v", err)
	}
	s.start()
	return s
}

func (s *stage) fail(format string, args ...any) {
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

// start brings a node up over what the last one has left.
func (s *stage) start() {
	if s.node != nil {
		return
	}
	life := &life{}
	s.life = life
	s.kv.set(func() { s.kv.life = life })
	log := hclog.NewNullLogger()
	mover := delivery.New(log, delivery.WithFailpoint(func(string) {
		if life.point() {
			runtime.Goexit()
		}
	}))
	host := &fakeHost{plugin: s.daemon.Plugin, open: map[string]*fakeInstance{}, onChange: func(string) {}}
	host.capabilities = []downloader.Capability{downloader.CapabilityPause, downloader.CapabilitySelectFiles, downloader.CapabilitySetLimits}
	host.wrap = func(d downloader.Driver) downloader.Driver { return &shakyDriver{d, s.daemon, life} }
	n, err := New(Options{
		Dir: s.dir, KV: s.kv, Box: s.box, Host: host, Deliverer: mover, Logger: log,
		Clock: func() time.Time { return time.Now().Add(time.Duration(s.ahead.Load()) * time.Hour) }, HTTPClient: NewHTTPClient(), TorrentLimit: 1 << 20,
	})
	if err == nil {
		err = n.Start(context.Background())
	}
	if err != nil {
		s.fail("start: %v", err)
		return
	}
	s.node = n
	s.connect()
}

func (s *stage) connect() {
	session, err := s.node.Link().Connect(context.Background())
	if err != nil {
		s.fail("connect: %v", err)
		return
	}
	s.session = session
	s.reading.Go(func() {
		for {
			r, err := session.Receive(context.Background())
			if err != nil {
				return
			}
			s.mu.Lock()
			for _, j := range r.Jobs {
				s.observed[j.ID] = j
			}
			s.mu.Unlock()
		}
	})
	s.send(true)
}

// kill ends a node at once; what it still has to say or do comes to nothing.
func (s *stage) kill() {
	if s.node == nil {
		return
	}
	s.life.end()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.node.Stop(ctx); err != nil {
		s.fail("stop: %v", err)
	}
	s.reading.Wait()
	s.node = nil
}

// send tells the node what is wanted: of some jobs, or of all.
func (s *stage) send(whole bool) {
	if s.node == nil {
		return
	}
	o := &core.Orders{
		Full: whole, Downloaders: []core.DesiredDownloader{wantedDownloader()},
		Storages: []core.DesiredStorage{{ID: storageID, Name: "local", Kind: core.StorageLocal, Root: s.root()}},
	}
	for _, j := range s.jobs {
		if s.seen(j.ID).Phase.Ended() {
			o.Forget = append(o.Forget, j.ID)
			continue
		}
		copied := *j
		copied.Deliveries = slices.Clone(j.Deliveries)
		o.Jobs = append(o.Jobs, copied)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.session.Send(ctx, o) // it may be dead, or unable to write
}

func (s *stage) root() string { return filepath.Join(s.dir, "root") }

func (s *stage) seen(id core.JobID) core.ObservedJob {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.observed[id]
}

// act lets one thing happen.
func (s *stage) act(a act) {
	switch a.Do {
	case "new":
		s.newJob(a)
	case "join", "leave", "remove", "pause", "resume", "select", "retarget", "recheck":
		s.wish(a)
	case "send", "send whole":
		s.send(a.Do == "send whole")
	case "journal fails":
		s.kv.set(func() { s.kv.err = errs.New(errs.OutOfSpace, "The disk is full.") })
	case "journal works":
		s.kv.set(func() { s.kv.err = nil })
	case "crash":
		s.kill()
	case "crash at point":
		s.life.arm(1 + a.A)
	case "clock":
		s.ahead.Add(int64(a.A - 50))
	default:
		s.atDaemon(a)
	}
	if s.life.isOver() || s.node == nil && a.B%3 == 0 {
		s.kill()
		s.start()
	}
}

func (s *stage) atDaemon(a act) {
	id := ""
	if has := s.daemon.Jobs(); len(has) > 0 {
		id = has[a.A%len(has)]
	}
	switch a.Do {
	case "load", "finish":
		if err := s.daemon.load(id, a.Do == "finish"); err != nil {
			s.fail("load: %v", err)
		}
	case "lose":
		if id != "" {
			s.daemon.locked(func() { s.daemon.lost[id]++ })
			s.daemon.Forget(id)
		}
	case "forget selection":
		s.daemon.forgetSelection(id)
	case "stop by hand":
		if j, ok := s.daemon.Job(id); ok && !j.Status.Phase.HasData() {
			s.daemon.Set(id, func(st *downloader.Status) { st.Phase = downloader.PhasePaused })
		}
	case "unreachable", "reachable":
		s.daemon.locked(func() { s.daemon.away = a.Do == "unreachable" })
	case "drop answers":
		s.daemon.locked(func() { s.daemon.mute = a.B % 4 })
	}
}

func (s *stage) delivery(a act) (core.Delivery, *wanted) {
	w := &wanted{id: core.NewID[core.TaskID](), paths: []string{fmt.Sprintf("home/%d", len(s.tasks))}}
	w.selections = []core.Selection{selectionOf(a.B)}
	owner := core.UserID(fmt.Sprint("u", a.B%2))
	return core.Delivery{Task: w.id, Storage: storageID, Path: w.paths[0], Owner: owner, Selection: w.selections[0], Paused: a.B%5 == 0}, w
}

func selectionOf(n int) core.Selection {
	return []core.Selection{{}, {}, {Indexes: []int{0}}, {Indexes: []int{1, 2}}}[n%4]
}

func (s *stage) newJob(a act) {
	j := &core.DesiredJob{Job: core.Job{
		ID: core.NewID[core.JobID](), Downloader: downloaderID,
		Source: core.TaskSource{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btih:" + fmt.Sprintf("%040d", len(s.jobs))},
	}}
	d, w := s.delivery(a)
	j.Join(d)
	w.job = j
	s.jobs, s.tasks = append(s.jobs, j), append(s.tasks, w)
}

// wish changes what is wanted of one task, as far as core would let it.
func (s *stage) wish(a act) {
	var open []*wanted
	for _, w := range s.tasks {
		if !w.left && !s.seen(w.job.ID).Phase.Ended() {
			open = append(open, w)
		}
	}
	if len(open) == 0 {
		return
	}
	w := open[a.A%len(open)]
	loads := s.seen(w.job.ID).Phase < core.JobDownloaded
	switch a.Do {
	case "join":
		if d, other := s.delivery(a); loads {
			other.job = w.job
			w.job.Join(d)
			s.tasks = append(s.tasks, other)
		}
	case "leave":
		w.job.Leave(w.id)
		w.left = true
	case "remove":
		for _, o := range open {
			if o.job == w.job {
				w.job.Leave(o.id)
				o.left = true
			}
		}
	case "pause":
		w.job.Pause(w.id)
	case "resume":
		w.job.Resume(w.id)
	case "select":
		if loads {
			sel := selectionOf(a.B)
			w.selections = append(w.selections, sel)
			w.job.Change(w.id, func(d *core.Delivery) { d.Selection = sel })
		}
	case "retarget":
		w.paths = append(w.paths, fmt.Sprintf("%s-%d", w.paths[0], len(w.paths)))
		w.job.Change(w.id, func(d *core.Delivery) { d.Path = w.paths[len(w.paths)-1] })
	case "recheck":
		w.job.Recheck()
	}
}

// peace ends all trouble but the daemon's forgetting, and lets everything come to
// its end.
func (s *stage) peace() {
	s.kv.set(func() { s.kv.err = nil })
	s.daemon.locked(func() { s.daemon.away, s.daemon.mute = false, 0 })
	s.kill()
	s.start()
	for _, w := range s.tasks {
		if !w.left && !s.seen(w.job.ID).Phase.Ended() {
			w.job.Resume(w.id)
		}
	}
	for range 200 {
		s.send(false)
		time.Sleep(2 * time.Second)
		for _, id := range s.daemon.Jobs() {
			if s.daemon.once(4) {
				s.daemon.forgetSelection(id)
			}
			if err := s.daemon.load(id, true); err != nil {
				s.fail("load: %v", err)
			}
		}
		if s.quiet() {
			break
		}
	}
	s.send(true)
	time.Sleep(time.Second)
	s.check()
	s.kill()
}

func (s *stage) quiet() bool {
	for _, j := range s.jobs {
		if o := s.seen(j.ID); !o.Phase.Ended() {
			return false
		}
	}
	return true
}

// check compares what is there with what was wanted.
func (s *stage) check() {
	for _, j := range s.jobs {
		id := string(j.ID)
		if o := s.seen(j.ID); !o.Phase.Ended() {
			s.fail("job %s is %s: %+v", id, o.Phase, o)
		}
		if most := 1 + s.daemon.lost[id] + 2*j.Rechecks; s.daemon.made[id] > most && j.Wish != core.JobRemove {
			s.fail("job %s was begun %d times at the daemon, lost %d times", id, s.daemon.made[id], s.daemon.lost[id])
		}
	}
	if left := s.daemon.Jobs(); len(left) > 0 {
		s.fail("the daemon has %v", left)
	}
	if left, err := filepath.Glob(filepath.Join(s.dir, "jobs", "[0-9a-f]*")); err != nil || len(left) > 0 {
		s.fail("directories of jobs stay: %v %v", left, err)
	}
	for key := range s.kv.entries {
		if len(key) > len(keyJob) && key[:len(keyJob)] == keyJob {
			s.fail("the journal keeps %s", key)
		}
	}
	found, err := s.found()
	if err != nil {
		s.fail("look at the files: %v", err)
	}
	for _, w := range s.tasks {
		s.checkTask(w, found)
	}
	for path := range found {
		s.fail("nobody wanted %s", path)
	}
}

// found returns what is at the destinations.
func (s *stage) found() (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(s.root(), func(path string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.root(), path)
		out[filepath.ToSlash(rel)] = string(b)
		return err
	})
	return out, err
}

// checkTask takes what belongs to a task out of what was found.
func (s *stage) checkTask(w *wanted, found map[string]string) {
	var sets []map[string]string
	for _, path := range w.paths {
		set := map[string]string{}
		for i := range filesOf {
			name := path + "/" + filesOf[i]
			if content, ok := found[name]; ok {
				set[filesOf[i]] = content
				delete(found, name)
			}
		}
		if len(set) > 0 {
			sets = append(sets, set)
		}
	}
	o := s.seen(w.job.ID)
	d := o.Delivery(w.id)
	if d != nil && d.Failure != nil {
		s.fail("task %s: %+v", w.id, *d.Failure)
	}
	refused := d == nil || d.Refused // the job had ended, or its data was leaving
	switch {
	case len(sets) == 0 && (w.left || refused):
	case len(sets) == 1 && w.wanted(sets[0]):
		if !w.left && (d == nil || !d.Done) {
			s.fail("task %s of job %s is delivered, reported %+v", w.id, w.job.ID, d)
		}
	default:
		s.fail("task %s of job %s (left %v, selections %+v, reported %+v) has %v", w.id, w.job.ID, w.left, w.selections, d, sets)
	}
}

// wanted reports whether a set of files is what the task wants or has wanted.
func (w *wanted) wanted(set map[string]string) bool {
	return slices.ContainsFunc(w.selections, func(sel core.Selection) bool {
		want := map[string]string{}
		for i, path := range filesOf {
			if sel.Wants(downloader.File{Index: i, Path: path}) {
				want[path] = contentOfFile(string(w.job.ID), i)
			}
		}
		return maps.Equal(set, want)
	})
}
