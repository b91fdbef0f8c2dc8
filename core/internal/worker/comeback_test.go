package worker

import (
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestWhoComesBackIsNotHeldToHowTheyFailedBefore(t *testing.T) {
	now := time.Now()
	wanted := sharedJob()
	j := &job{record: record{Phase: core.JobDownloading}}
	j.order(&wanted, now)
	back := wanted.Deliveries[0]
	failed := j.delivery(back.Task)
	failed.fail(errs.New(errs.NoFilesSelected, "The selection matches no file."), now)
	wanted.Leave(back.Task)
	j.order(&wanted, now)
	if !failed.Left || !failed.Ended {
		t.Fatalf("left: %+v", failed)
	}
	wanted.Join(back)
	j.order(&wanted, now)
	if failed.Left || failed.Ended || failed.Failure != nil || !failed.open() {
		t.Errorf("come back: %+v", failed)
	}
}
