package delivery

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// copyJob makes a job whose files have to be copied to another file system.
func copyJob(t *testing.T, files tree) Job {
	t.Helper()
	job := newJobIn(t, memory(t), files)
	job.Root = otherDevice(t)
	return job
}

func TestACopyGoesOnWhereItEnded(t *testing.T) {
	files := tree{"d/a": strings.Repeat("A", 5000), "d/big": strings.Repeat("0123456789", 1000), "d/z": "Z"}
	job := copyJob(t, files)
	plan := mustPlan(t, job)
	ctx, cancel := context.WithCancel(t.Context())
	pieces := 0
	stopping := newMover(small, WithFailpoint(func(point string) {
		if pieces++; point == "piece copied" && pieces > 14 {
			cancel()
		}
	}))
	save := func(_ context.Context, p Plan) error { plan = p; return nil }
	if _, err := stopping.Execute(ctx, job, plan, Hooks{Save: save}); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if plan.Half == nil || plan.Half.Name != "d/big" || plan.Half.Done < 3000 {
		t.Fatalf("stored: %+v", plan.Half)
	}
	hidden := filepath.Join(job.folder(), hiddenFolder(task), "d")
	// What is there is trusted: other bytes show that it was not copied again.
	scribble(t, filepath.Join(hidden, "a"), strings.Repeat("*", 5000))
	scribble(t, filepath.Join(hidden, "big"), strings.Repeat("*", int(plan.Half.Done)))
	if got := read(t, job.folder()); len(got) != 2 {
		t.Errorf("there are %q", got.names())
	}
	half := int(plan.Half.Done)
	var last int64
	if _, err := newMover(small).Execute(t.Context(), job, plan, Hooks{Save: save, Progress: func(done int64, _ int) { last = done }}); err != nil {
		t.Fatal(err)
	}
	assertTree(t, job.folder(), tree{"d/a": strings.Repeat("*", 5000), "d/big": strings.Repeat("*", half) + files["d/big"][half:], "d/z": "Z"})
	if last != 15001 {
		t.Errorf("%d bytes are done at the end", last)
	}
}

// scribble writes over the beginning of a file and keeps its times.
func scribble(t *testing.T, name, text string) {
	t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f.Close(), os.Chtimes(name, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
}

func TestASourceThatChangesIsNotDelivered(t *testing.T) {
	tests := []struct {
		name   string
		when   string // the failpoint at which it changes, or "" for before
		change func(path string) error
	}{
		{"written before", "", func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("X"), 10_000), 0o600) }},
		{"replaced before", "", func(p string) error {
			return errors.Join(os.WriteFile(p+".new", make([]byte, 10_000), 0o600), os.Rename(p+".new", p))
		}},
		{"written meanwhile", "piece copied", func(p string) error { return os.WriteFile(p, bytes.Repeat([]byte("X"), 10_000), 0o600) }},
		{"cut off meanwhile", "piece copied", func(p string) error { return os.Truncate(p, 10) }},
	}
	for _, tt := range tests {
		for _, name := range []string{"big", "d/big"} {
			job := copyJob(t, tree{name: strings.Repeat("0", 10_000), "z": "Z"})
			plan := mustPlan(t, job)
			path, done := filepath.Join(job.Source, name), false
			change := func(point string) {
				if done || point != tt.when {
					return
				}
				done = true
				if err := errors.Join(tt.change(path), os.Chtimes(path, time.Time{}, time.Now().Add(time.Hour))); err != nil {
					t.Error(err)
				}
			}
			change("")
			r, err := execute(newMover(small, WithFailpoint(change)), job, &plan)
			if !errs.Is(err, errs.FilesChanged) || paths(r) != "z" {
				t.Errorf("%s, %s: %v, delivered %s", tt.name, name, err, paths(r))
			}
		}
	}
}

func TestHolesStayHoles(t *testing.T) {
	const size = 100 << 30
	job := copyJob(t, nil)
	f, err := os.Create(filepath.Join(job.Source, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	at := map[int64]string{0: "begin", 7 << 30: "middle", 50<<30 + 5: "later"}
	for off, text := range at {
		if _, err := f.WriteAt([]byte(text), off); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Skip("the file system takes no file of 100 GiB: ", err)
	}
	job.Files = []downloader.File{{Path: "sparse", Size: size}}
	mustDeliver(t, job)
	got, err := os.Open(filepath.Join(job.folder(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	info, err := got.Stat()
	if err != nil || info.Size() != size || blocks(info) > 1<<20 {
		t.Errorf("%d bytes, of which %d are stored: %v", info.Size(), blocks(info), err)
	}
	for off, text := range at {
		have := make([]byte, len(text))
		if _, err := got.ReadAt(have, off); err != nil || string(have) != text {
			t.Errorf("at %d is %q, want %q: %v", off, have, text, err)
		}
	}
}

func TestAFullDiskIsFoundBeforeAnythingIsCopied(t *testing.T) {
	job := newJobIn(t, memory(t), tree{"a": strings.Repeat("A", 1<<20), "d/b": strings.Repeat("B", 3<<20)})
	job.Root = tmpfs(t, "size=2m")
	copied := false
	_, err := deliver(newMover(WithFailpoint(func(point string) { copied = copied || point == "piece copied" })), job)
	if !errs.Is(err, errs.OutOfSpace) || !strings.Contains(errs.MessageOf(err), "2.0 MiB") {
		t.Errorf("%v, want that 2.0 MiB are missing", err)
	}
	if copied {
		t.Error("something was copied")
	}
	assertTree(t, job.folder(), tree{})
}

func TestADiskThatBecomesFullKeepsWhatWasCopied(t *testing.T) {
	files := tree{"a": strings.Repeat("A", 1<<20), "b": strings.Repeat("B", 1<<20)}
	job := newJobIn(t, memory(t), files)
	job.Root = tmpfs(t, "size=3m")
	plan := mustPlan(t, job)
	ballast := filepath.Join(job.Root, "ballast")
	fill := WithFailpoint(func(point string) {
		if point == "file copied" && !exists(job.Root, "ballast") {
			if err := os.WriteFile(ballast, make([]byte, 3<<19), 0o600); err != nil {
				t.Error(err)
			}
		}
	})
	if _, err := execute(newMover(fill), job, &plan); !errs.Is(err, errs.OutOfSpace) {
		t.Fatal(err)
	}
	if !exists(filepath.Join(job.folder(), hiddenFolder(task)), "a") {
		t.Error("what was copied is gone")
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := execute(newMover(), job, &plan); err != nil {
		t.Fatal(err)
	}
	assertTree(t, job.folder(), files)
}

func TestACopyThatTheDiskGarblesIsNotDelivered(t *testing.T) {
	files := tree{"d/a": strings.Repeat("A", 10_000)}
	job := copyJob(t, files)
	job.Verify = true
	plan := mustPlan(t, job)
	garbled := false
	garble := WithFailpoint(func(point string) {
		if point == "file copied" && !garbled {
			garbled = true
			scribble(t, filepath.Join(job.folder(), hiddenFolder(task), "d/a"), "B")
		}
	})
	if _, err := execute(newMover(garble), job, &plan); !errs.Is(err, errs.FilesChanged) || errs.HintOf(err) == "" {
		t.Fatal(err)
	}
	if _, err := execute(newMover(), job, &plan); err != nil {
		t.Fatal(err)
	}
	assertTree(t, job.folder(), files)
}

func TestOnlySomeCopyAtOnce(t *testing.T) {
	m := newMover()
	for range copiesAtOnce {
		m.copying <- struct{}{}
	}
	job := copyJob(t, tree{"a": "A"})
	plan := mustPlan(t, job)
	waits := make(chan bool, 2)
	ended := make(chan error, 1)
	hooks := Hooks{Save: failingSave(nil), Waiting: func(w bool) { waits <- w }}
	go func() {
		_, err := m.Execute(t.Context(), job, plan, hooks)
		ended <- err
	}()
	if !<-waits {
		t.Error("it does not say that it waits")
	}
	if got := read(t, job.folder()); len(got) != 1 {
		t.Errorf("it did not wait: %v", got)
	}
	<-m.copying
	if <-waits {
		t.Error("it does not say that it waits no more")
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(m.copying) != copiesAtOnce-1 {
		t.Error("its place was not given back")
	}
}

func TestTheWayAndItsReasonAreTold(t *testing.T) {
	tests := []struct {
		name  string
		data  DataUse
		names namer
		other bool
		want  Method
		why   string
	}{
		{"a rename needs no reason", DataMove, systemNames{}, false, MethodRename, ""},
		{"a link needs no reason", DataLink, systemNames{}, false, MethodLink, ""},
		{"moved to another device", DataMove, systemNames{}, true, MethodCopy, whyOtherDevice},
		{"linked to another device", DataLink, systemNames{}, true, MethodCopy, whyOtherDevice},
		{"copied where nothing can be cloned", DataCopy, systemNames{}, false, MethodCopy, whyNoClones},
		{"links forbidden", DataLink, noLinks{}, false, MethodCopy, whyNoLinks + " " + whyNoClones},
		{"links forbidden for another user's file", DataLink, foreignLinks{}, false, MethodCopy, "Hard links are not permitted here: the file belongs to another user. " + whyNoClones},
		{"renames forbidden", DataMove, foreignLinks{}, false, MethodCopy, "Moving the files is not permitted here: they belong to another user. " + whyNoClones},
	}
	for _, tt := range tests {
		for _, files := range []tree{{"a": "A"}, {"d/a": "A", "d/b": "B"}} {
			dir := memory(t)
			job := newJobIn(t, filepath.Join(dir, "job"), files)
			job.Root, job.Data = dir, tt.data
			if tt.other {
				job.Root = otherDevice(t)
			}
			if _, ok := tt.names.(foreignLinks); ok {
				giveAway(t, job.Source)
			}
			plan := mustPlan(t, job)
			for _, call := range []string{"", "again"} {
				r, err := execute(newMover(withNamer(tt.names)), job, &plan)
				if err != nil || r.Method != tt.want || r.Why != tt.why {
					t.Errorf("%s %s: %s, %q, want %s, %q: %v", tt.name, call, r.Method, r.Why, tt.want, tt.why, err)
				}
			}
		}
	}
}

// foreignLinks refuses to rename and link, as the files of another user are.
type foreignLinks struct{ noLinks }

func (f foreignLinks) renameNew(from *os.File, old string, to *os.File, name string) error {
	if strings.Contains(from.Name(), "/job") {
		return &os.LinkError{Op: "rename", Old: old, New: name, Err: syscall.EPERM}
	}
	return f.noLinks.renameNew(from, old, to, name)
}

func giveAway(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Chown(path, 12345, 12345))
	})
	if err != nil {
		t.Skip("giving files away needs root")
	}
}
