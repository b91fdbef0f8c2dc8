package tasks

import (
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
