package tasks

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestAnEndIsNotForgottenBeforeItsJobIsFollowed(t *testing.T) {
	w := newWorld(t)
	job := &core.Job{ID: core.NewID[core.JobID](), Node: w.reg.node.ID, Downloader: w.reg.candidate.ID, Revision: 1, Wish: core.JobRun}
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.PutJob(job) }); err != nil {
		t.Fatal(err)
	}
	if forget := w.report(job, core.JobDone, nil); len(forget) != 0 {
		t.Error("the node forgets a job whose end is not stored, and would do it again")
	}
	elsewhere := *job
	elsewhere.Node = core.NewID[core.NodeID]()
	if forget := w.report(&elsewhere, core.JobRemoved, nil); len(forget) != 1 {
		t.Error("a node that the job is not on may forget it")
	}
}

func TestATaskWhoseOwnerIsGoneFailsAndBlocksNoOther(t *testing.T) {
	w := newWorld(t)
	w.reg.mu.Lock()
	w.reg.candidate.Enabled = false
	w.reg.mu.Unlock()
	lost := w.create(w.bob, "http://h/lost")[0].ID
	w.create(w.alice, "http://h/good")
	who, err := core.IdentityFrom(w.bob)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Update(t.Context(), func(tx *store.Tx) error { return tx.DeleteUser(who.User) }); err != nil {
		t.Fatal(err)
	}
	w.reg.mu.Lock()
	w.reg.candidate.Enabled = true
	w.reg.mu.Unlock()
	w.service.Wake()
	if job := w.started(); job.Deliveries[0].Path != "alice" {
		t.Fatalf("started %+v", job)
	}
	v := w.get(w.admin, lost)
	if v.State != core.StateFailed || v.Error == nil || v.Error.Code != errs.InvalidDestination || v.Error.At.After(time.Now()) {
		t.Errorf("the other one is %s, %+v", v.State, v.Error)
	}
}

func TestNoLinkInAHomeLeadsToTheFilesOfAnother(t *testing.T) {
	w := newWorld(t)
	bobs := filepath.Join(w.reg.storage.Root, "bob", "1")
	for _, home := range []string{"alice", "bob"} {
		if err := os.MkdirAll(filepath.Join(w.reg.storage.Root, home), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(bobs, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("../bob", filepath.Join(w.reg.storage.Root, "alice", "link")); err != nil {
		t.Fatal(err)
	}
	tasks, err := w.service.Create(w.alice, &core.NewTask{
		Sources: []core.NewSource{{URI: "http://h/1"}}, Destination: core.NewDestination{Path: "link"},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.report(w.started(), core.JobDone, func(o *core.ObservedJob) {
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []core.DeliveredFile{{Path: "1", Size: 6}}
	})
	if f, err := w.service.OpenFile(w.alice, tasks[0].ID, 0); err == nil {
		f.Close()
		t.Error("another's file was read")
	}
	if err := w.service.Delete(w.alice, tasks[0].ID, true); err == nil {
		t.Error("files in another's home were looked for")
	}
	if _, err := os.Stat(bobs); err != nil {
		t.Errorf("another's file is gone: %v", err)
	}
}
