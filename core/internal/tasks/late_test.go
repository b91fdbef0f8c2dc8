package tasks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// deletedWorld has a job whose task, of alice, was deleted while it ran.
func deletedWorld(t *testing.T, deleteData bool) (*world, *core.Job) {
	t.Helper()
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	if err := w.service.Delete(w.alice, id, deleteData); err != nil {
		t.Fatal(err)
	}
	return w, job
}

// lateWorld has one that has delivered a file after all.
func lateWorld(t *testing.T, deleteData bool) (w *world, file string) {
	t.Helper()
	w, job := deletedWorld(t, deleteData)
	file = w.delivered("1")
	w.report(job, core.JobDone, delivers("1"))
	return w, file
}

// delivered makes a file of three bytes in alice's home.
func (w *world) delivered(name string) string { return w.deliveredTo("alice", name) }

func (w *world) deliveredTo(home, name string) string {
	w.t.Helper()
	file := filepath.Join(w.reg.storage.Root, home, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("one"), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return file
}

func delivers(name string) func(*core.ObservedJob) {
	return func(o *core.ObservedJob) {
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []core.DeliveredFile{{Path: name, Size: 3}}
	}
}

func waitGone(t *testing.T, file string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(file); err != nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s stays", file)
		}
	}
}

// waitCleared waits until no files have to go any more.
func (w *world) waitCleared() {
	w.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		left, err := w.store.TasksToClear(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatal("they are to be removed for ever")
		}
	}
}

func TestFilesThatArriveAfterTheDeleteGoToo(t *testing.T) {
	w, file := lateWorld(t, true)
	waitGone(t, file)
	w.waitCleared()
	again := w.delivered("1")
	w.restart()
	w.service.Stop()
	if _, err := os.Stat(again); err != nil {
		t.Errorf("what was put there since is gone: %v", err)
	}
}

func TestFilesOfATaskThatWasDeletedWithoutThemStay(t *testing.T) {
	w, file := lateWorld(t, false)
	w.restart()
	w.service.Stop()
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

func TestLateFilesGoWhenTheirStorageIsBack(t *testing.T) {
	w, job := deletedWorld(t, true)
	file := w.delivered("1")
	root := w.reg.storage.Root
	if err := os.Rename(root, root+".away"); err != nil {
		t.Fatal(err)
	}
	w.report(job, core.JobDone, delivers("1"))
	w.restart()
	if err := os.Rename(root+".away", root); err != nil {
		t.Fatal(err)
	}
	w.restart()
	waitGone(t, file)
}

// Until the node has heard of it, a deleted task's reports go on to name files
// that its delete has removed.
func TestADeletedTaskDoesNotTakeWhatHasTheNameOfItsFilesSince(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	first := w.delivered("1")
	w.report(job, core.JobSeeding, delivers("1"))
	if err := w.service.Delete(w.alice, id, true); err != nil {
		t.Fatal(err)
	}
	waitGone(t, first)
	w.started()
	second := w.delivered("1")
	w.report(job, core.JobSeeding, delivers("1"))
	w.report(job, core.JobDone, delivers("1"))
	w.restart()
	w.service.Stop()
	if _, err := os.Stat(second); err != nil {
		t.Errorf("a file of the same name was taken: %v", err)
	}
}

// held is a report of a task with two files, the first of which is delivered.
func held(o *core.ObservedJob) {
	o.Deliveries[0].Files = []core.DeliveredFile{{Path: "1", Size: 3}}
	o.Deliveries[0].Failed = []core.FailedFile{{Index: 1}}
}

func TestOfAHeldTaskOnlyWhatComesLaterGoesLater(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	first := w.delivered("1")
	w.report(job, core.JobHeld, held)
	if err := w.service.Delete(w.alice, id, true); err != nil {
		t.Fatal(err)
	}
	waitGone(t, first)
	w.started()
	again, late := w.delivered("1"), w.delivered("2")
	w.report(job, core.JobHeld, held)
	w.report(job, core.JobDone, func(o *core.ObservedJob) {
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []core.DeliveredFile{{Path: "1", Size: 3}, {Index: 1, Path: "2", Size: 3}}
	})
	waitGone(t, late)
	if _, err := os.Stat(again); err != nil {
		t.Errorf("a file of the same name was taken: %v", err)
	}
}

func TestLateFilesGoAlthoughTheClockWasSetBack(t *testing.T) {
	w, job := deletedWorld(t, true)
	file := w.delivered("1")
	w.offset.Store(-int64(time.Hour))
	w.report(job, core.JobDone, delivers("1"))
	waitGone(t, file)
}

// A mount point that nothing is mounted at is empty.
func TestLateFilesGoWhenTheirStorageIsMountedAgain(t *testing.T) {
	w, job := deletedWorld(t, true)
	file := w.delivered("1")
	root := w.reg.storage.Root
	if err := errors.Join(os.Rename(root, root+".away"), os.Mkdir(root, 0o755)); err != nil {
		t.Fatal(err)
	}
	w.report(job, core.JobDone, delivers("1"))
	w.restart()
	w.service.Stop()
	if err := errors.Join(os.Remove(root), os.Rename(root+".away", root)); err != nil {
		t.Fatal(err)
	}
	w.restart()
	waitGone(t, file)
}

func TestLateFilesThatStayAreNotTriedWithEachDelete(t *testing.T) {
	w, job := deletedWorld(t, true)
	w.reg.storage.Kind = "rclone"
	w.reg.set(func(a *answers) { a.keeps = true })
	w.report(job, core.JobDone, delivers("1"))
	tries := func() (n int) {
		w.reg.set(func(a *answers) { n = len(a.removed) })
		return n
	}
	for deadline := time.Now().Add(10 * time.Second); tries() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it is not tried")
		}
	}
	for range 5 {
		other := w.create(w.bob, "http://h/x")[0].ID
		if err := w.service.Delete(w.bob, other, true); err != nil {
			t.Fatal(err)
		}
		w.service.late.wake()
	}
	if n := tries(); n != 1 {
		t.Errorf("%d tries at once", n)
	}
}

// One task's trouble is not that of the others at its storage.
func TestLateFilesOfOthersDoNotWaitForOneThatStays(t *testing.T) {
	w := newWorld(t)
	var file string
	for _, who := range []context.Context{w.alice, w.bob} { // alice has no home
		id := w.create(who, "http://h/1")[0].ID
		job := w.started()
		if err := w.service.Delete(who, id, true); err != nil {
			t.Fatal(err)
		}
		w.started()
		if who == w.bob {
			file = w.deliveredTo("bob", "1")
		}
		w.report(job, core.JobDone, delivers("1"))
	}
	waitGone(t, file)
}

func TestADeleteAtAnUnmountedStorageFails(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	w.report(job, core.JobDone, delivers("1"))
	if err := os.MkdirAll(w.reg.storage.Root, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := w.service.Delete(w.alice, id, true); !errs.Is(err, errs.Unavailable) || errs.HintOf(err) == "" {
		t.Errorf("deleted with its data: %v", err)
	}
	if v := w.get(w.alice, id); len(v.Files) != 1 {
		t.Errorf("the task has the files %v", v.Files)
	}
	if err := w.service.Delete(w.alice, id, false); err != nil {
		t.Error(err)
	}
}

func TestLateFilesOfWhoIsGoneAreNotTriedForEver(t *testing.T) {
	w, job := deletedWorld(t, true)
	w.reg.storage.Kind = "rclone"
	alice, err := core.IdentityFrom(w.alice)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUser(alice.User) }); err != nil {
		t.Fatal(err)
	}
	w.report(job, core.JobDone, delivers("1"))
	w.waitCleared()
}
