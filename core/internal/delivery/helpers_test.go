package delivery

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

const task core.TaskID = "01900000-0000-7000-8000-000000000001"

// tree is files by path, with their content.
type tree map[string]string

// write makes the files of a tree below dir.
func (tr tree) write(t testing.TB, dir string) {
	t.Helper()
	for name, content := range tr {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// files lists a tree as a downloader does.
func (tr tree) files() []downloader.File {
	var out []downloader.File
	for i, name := range tr.names() {
		out = append(out, downloader.File{Index: i, Path: name, Size: int64(len(tr[name]))})
	}
	return out
}

func (tr tree) names() []string {
	var names []string
	for name := range tr {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// read returns all files below dir; a folder without any has a name that ends in a slash.
func read(t *testing.T, dir string) tree {
	t.Helper()
	out := tree{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			if inside, err := os.ReadDir(path); err != nil || len(inside) > 0 {
				return err
			}
			out[filepath.ToSlash(name)+"/"] = ""
			return nil
		}
		content, err := os.ReadFile(path)
		out[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// newJob makes the directories of a job with these files.
func newJob(t *testing.T, files tree) Job {
	t.Helper()
	return newJobIn(t, t.TempDir(), files)
}

func newJobIn(t testing.TB, source string, files tree) Job {
	t.Helper()
	job := Job{Task: task, Source: source, Root: t.TempDir(), Path: "home", Files: files.files()}
	files.write(t, job.Source)
	return job
}

func (j Job) folder() string { return filepath.Join(j.Root, filepath.FromSlash(j.Path)) }

// deliver plans and executes as the node does.
func deliver(m *Mover, job Job) (Result, error) {
	plan, err := m.Plan(context.Background(), job)
	if err != nil {
		return Result{}, err
	}
	return execute(m, job, &plan)
}

// execute carries out a stored plan, and keeps what is stored of it up to date.
func execute(m *Mover, job Job, stored *Plan) (Result, error) {
	hooks := Hooks{Save: func(_ context.Context, p Plan) error { *stored = p; return nil }}
	for {
		r, err := m.Execute(context.Background(), job, *stored, hooks)
		if !errors.Is(err, ErrReplan) {
			return r, err
		}
		if *stored, err = m.Replan(context.Background(), job, *stored); err != nil {
			return Result{}, err
		}
	}
}

func newMover(options ...Option) *Mover { return New(hclog.NewNullLogger(), options...) }

// oldNames is a file system that cannot rename without replacing, and cannot
// link unless links is set.
type oldNames struct {
	systemNames
	links bool
}

func (oldNames) renameNew(*os.File, string, *os.File, string) error { return errors.ErrUnsupported }

func (o oldNames) link(from *os.File, old string, to *os.File, name string) error {
	if !o.links {
		return &os.LinkError{Op: "link", Old: old, New: name, Err: syscall.EPERM}
	}
	return o.systemNames.link(from, old, to, name)
}

// otherDevice returns a directory on another file system than t.TempDir.
func otherDevice(t testing.TB) string {
	t.Helper()
	return otherDeviceOf(t, "size=16m")
}

func otherDeviceOf(t testing.TB, options string) string {
	t.Helper()
	if dir, ok := tryTmpfs(t, options); ok {
		return dir
	}
	dir, err := os.MkdirTemp("/dev/shm", "haul-test-")
	if err != nil {
		t.Skip("no second file system here")
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	here, err := os.Stat(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	there, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	if here.Sys().(*syscall.Stat_t).Dev == there.Sys().(*syscall.Stat_t).Dev {
		t.Skip("no second file system here")
	}
	return dir
}

// memory returns a directory on a file system of its own that needs no disk, or
// one on the disk where mounting is not permitted.
func memory(t *testing.T) string {
	t.Helper()
	if dir, ok := tryTmpfs(t, "size=64m"); ok {
		return dir
	}
	return t.TempDir()
}

// tmpfs mounts a small file system, which takes root.
func tmpfs(t *testing.T, options string) string {
	t.Helper()
	dir, ok := tryTmpfs(t, options)
	if !ok {
		t.Skip("mounting needs root")
	}
	return dir
}

func tryTmpfs(t testing.TB, options string) (string, bool) {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, options); err != nil {
		return "", false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}

func assertTree(t *testing.T, dir string, want tree) {
	t.Helper()
	got := read(t, dir)
	if len(got) != len(want) {
		t.Errorf("there are %q, want %q", got.names(), want.names())
		return
	}
	for name, content := range want {
		if have, ok := got[name]; !ok || have != content {
			t.Errorf("there are %q, want %q; %s has %d bytes", got.names(), want.names(), name, len(have))
			return
		}
	}
}

func paths(r Result) string {
	var out []string
	for _, f := range r.Files {
		out = append(out, f.Path)
	}
	return strings.Join(out, "|")
}

// noLinks is a file system that refuses hard links, as for another user's file.
type noLinks struct{ systemNames }

func (noLinks) link(_ *os.File, old string, _ *os.File, name string) error {
	return &os.LinkError{Op: "link", Old: old, New: name, Err: syscall.EPERM}
}

func failingSave(err error) func(context.Context, Plan) error {
	return func(context.Context, Plan) error { return err }
}
