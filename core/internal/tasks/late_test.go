package tasks

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
)

// lateWorld has a task of alice that was deleted while it ran, and then
// delivered a file after all.
func lateWorld(t *testing.T, deleteData bool) (w *world, file string) {
	t.Helper()
	w = newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	if err := w.service.Delete(w.alice, id, deleteData); err != nil {
		t.Fatal(err)
	}
	file = w.delivered("1")
	w.report(job, core.JobDone, delivers("1"))
	return w, file
}

// delivered makes a file of three bytes in alice's home.
func (w *world) delivered(name string) string {
	w.t.Helper()
	file := filepath.Join(w.reg.storage.Root, "alice", name)
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

func TestFilesThatArriveAfterTheDeleteGoToo(t *testing.T) {
	w, file := lateWorld(t, true)
	waitGone(t, file)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		left, err := w.store.TasksToClear(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("they are to be removed for ever")
		}
	}
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
	w := newWorld(t)
	id := w.create(w.alice, "http://h/1")[0].ID
	job := w.started()
	if err := w.service.Delete(w.alice, id, true); err != nil {
		t.Fatal(err)
	}
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
