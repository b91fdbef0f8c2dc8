package core

import (
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

var testNow = time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)

func runningTask() *Task {
	t := &Task{ID: "t1", State: StateQueued, Wish: WishRun, Attempt: 1}
	t.Start(&Job{ID: "j1", Node: "n1", Downloader: "d1"}, testNow)
	return t
}

func observed(phase JobPhase, change func(*ObservedJob)) *ObservedJob {
	o := &ObservedJob{ID: "j1", Phase: phase, Deliveries: []ObservedDelivery{{Task: "t1", Phase: phase}}}
	if change != nil {
		change(o)
	}
	return o
}

func TestEveryStateHasTransitionsAndLeadsToAnEnd(t *testing.T) {
	if len(transitions) != len(TaskStates) {
		t.Fatalf("%d states have transitions, want %d", len(transitions), len(TaskStates))
	}
	for _, s := range TaskStates {
		reached := map[TaskState]bool{}
		var walk func(TaskState)
		walk = func(s TaskState) {
			for _, next := range transitions[s] {
				if !next.Valid() {
					t.Errorf("%s leads to %q, which is no state", s, next)
				}
				if !reached[next] {
					reached[next] = true
					walk(next)
				}
			}
		}
		walk(s)
		if !s.Ended() && !reached[StateCompleted] {
			t.Errorf("%s never leads to completed", s)
		}
	}
}

func TestATaskFollowsItsJob(t *testing.T) {
	done := func(o *ObservedJob) {
		o.Deliveries[0].Done = true
		o.Deliveries[0].Files = []DeliveredFile{{Path: "a.bin", Size: 3}}
	}
	steps := []struct {
		job  *ObservedJob
		want TaskState
	}{
		{observed(JobAccepted, nil), StateStarting},
		{observed(JobMetadata, nil), StateMetadata},
		{observed(JobDownloading, nil), StateDownloading},
		{observed(JobAdding, nil), StateStarting},
		{observed(JobDownloading, nil), StateDownloading},
		{observed(JobDelivering, nil), StateTransferring},
		{observed(JobHeld, func(o *ObservedJob) { o.Deliveries[0].Failure = &Failure{Code: errs.OutOfSpace} }), StateHeld},
		{observed(JobDelivering, nil), StateTransferring},
		{observed(JobDelivered, done), StateCompleted},
		{observed(JobDownloading, nil), StateCompleted},
		{observed(JobDone, done), StateCompleted},
	}
	task := runningTask()
	for i, s := range steps {
		task.Observe(s.job, testNow)
		if task.State != s.want {
			t.Fatalf("step %d, job %s: state %s, want %s", i, s.job.Phase, task.State, s.want)
		}
	}
	if task.Error != nil || len(task.Files) != 1 || task.CompletedAt == nil || task.DownloadedAt == nil || task.DeliveredAt == nil {
		t.Fatalf("ended as %+v", task)
	}
}

func TestObservingTheSameTwiceChangesNothing(t *testing.T) {
	for phase := range jobPhaseNames {
		o := observed(phase, func(o *ObservedJob) {
			o.Name, o.InfoHash, o.Progress.TotalBytes = "n", "h", 7
			if phase == JobFailed || phase == JobHeld {
				o.Deliveries[0].Failure = &Failure{Code: errs.OutOfSpace}
			}
		})
		if phase.Ended() && phase != JobFailed && phase != JobRemoved {
			o.Deliveries[0].Done = true
		}
		task := runningTask()
		task.Observe(o, testNow)
		if task.Observe(o, testNow.Add(time.Hour)) {
			t.Errorf("%s: the second look changed the task", phase)
		}
	}
}

func TestProgressAloneChangesNothingThatIsStored(t *testing.T) {
	task := runningTask()
	task.Observe(observed(JobDownloading, nil), testNow)
	for i := range int64(100) {
		o := observed(JobDownloading, func(o *ObservedJob) { o.Progress = Progress{TotalBytes: i, DoneBytes: i, DownloadRate: i} })
		if task.Observe(o, testNow) {
			t.Fatal("a tick of progress must not be stored")
		}
	}
}

func TestTheReportOfAnotherJobIsIgnored(t *testing.T) {
	task := runningTask()
	if task.Observe(&ObservedJob{ID: "j0", Phase: JobFailed}, testNow) || task.State != StateStarting {
		t.Fatalf("state %s", task.State)
	}
}

func TestACanceledTaskEndsAsCanceledWhateverItsJobEndsAs(t *testing.T) {
	for _, phase := range []JobPhase{JobFailed, JobRemoved} {
		task := runningTask()
		if !task.Cancel(testNow) || task.State != StateStarting {
			t.Fatalf("it must wait for the node, state %s", task.State)
		}
		task.Observe(observed(phase, nil), testNow)
		if task.State != StateCanceled {
			t.Errorf("%s: state %s", phase, task.State)
		}
	}
}

func TestACancelThatComesTooLateLeavesACompletedTask(t *testing.T) {
	task := runningTask()
	task.Cancel(testNow)
	task.Observe(observed(JobDone, func(o *ObservedJob) { o.Deliveries[0].Done = true }), testNow)
	if task.State != StateCompleted {
		t.Fatalf("state %s: the files are at the destination", task.State)
	}
}

func TestAQueuedTaskIsCanceledAtOnce(t *testing.T) {
	task := &Task{State: StateQueued, Wish: WishRun}
	if !task.Cancel(testNow) || task.State != StateCanceled || task.Cancel(testNow) {
		t.Fatalf("state %s", task.State)
	}
}

func TestRetryIsForEndedTasksThatFailed(t *testing.T) {
	for _, s := range TaskStates {
		task := runningTask()
		task.State, task.Error = s, &Failure{Code: errs.Stalled}
		got, want := task.Retry(), s == StateFailed || s == StateCanceled
		if got != want {
			t.Errorf("%s: retried %v, want %v", s, got, want)
		}
		if got && (task.State != StateQueued || task.Attempt != 2 || task.Job != "" || task.Error != nil) {
			t.Errorf("%s: retried as %+v", s, task)
		}
	}
}

func TestATaskThatLeavesASharedJobIsCanceledWhenTheNodeKnows(t *testing.T) {
	task := runningTask()
	task.Cancel(testNow)
	task.LeftAt = 5
	others := &ObservedJob{ID: "j1", Revision: 4, Phase: JobDownloading, Deliveries: []ObservedDelivery{{Task: "other", Phase: JobDownloading}}}
	if task.Observe(others, testNow) {
		t.Fatalf("before the node knows: %s", task.State)
	}
	others.Revision = 5
	if !task.Observe(others, testNow) || task.State != StateCanceled {
		t.Fatalf("state %s", task.State)
	}
}

func TestATaskThatComesTooLateForAJobGetsAnother(t *testing.T) {
	task := runningTask()
	late := observed(JobDelivered, func(o *ObservedJob) { o.Deliveries[0].Refused = true })
	if task.Observe(late, testNow) && task.State != StateStarting {
		t.Fatalf("while the job is there: %s", task.State)
	}
	late.Phase = JobDone
	if !task.Observe(late, testNow) || task.State != StateQueued || task.Job != "" || task.Attempt != 1 {
		t.Fatalf("%+v", task)
	}
}

func TestADeliveredTaskSeedsUntilItsDeliveryDoesNot(t *testing.T) {
	task := runningTask()
	seeding := observed(JobSeeding, func(o *ObservedJob) { o.Deliveries[0].Done = true })
	task.Observe(seeding, testNow)
	if task.State != StateSeeding || task.DeliveredAt == nil {
		t.Fatalf("%+v", task)
	}
	seeding.Deliveries[0].Phase = JobDelivered // another task has it seeded on
	task.Observe(seeding, testNow)
	if task.State != StateCompleted {
		t.Fatalf("%+v", task)
	}
}

func TestHaulTriesAgainByItselfWithinTheBudget(t *testing.T) {
	task := runningTask()
	task.Retries.Limit = 2
	passing := observed(JobFailed, func(o *ObservedJob) { o.Failure = &Failure{Code: errs.SourceTimeout, Retryable: true} })
	var pauses []time.Duration
	for range 2 {
		task.Observe(passing, testNow)
		if !task.RetryLater(testNow) || task.State != StateQueued || task.Error == nil {
			t.Fatalf("%+v", task)
		}
		pauses = append(pauses, task.Retries.NextAt.Sub(testNow))
		task.Start(&Job{ID: "j1"}, testNow)
	}
	if pauses[0] != 3*time.Second || pauses[1] != 9*time.Second {
		t.Errorf("pauses %v", pauses)
	}
	task.Observe(passing, testNow)
	if task.RetryLater(testNow) || task.State != StateFailed || task.Attempt != 3 {
		t.Errorf("beyond the budget: %+v", task)
	}
}

func TestWhatCannotPassIsNotTriedAgain(t *testing.T) {
	for _, f := range []Failure{{Code: errs.SourceNotFound}, {Code: errs.Stalled, Retryable: true}, {Code: errs.MetadataTimeout, Retryable: true}} {
		task := runningTask()
		task.Retries.Limit = 2
		task.Observe(observed(JobFailed, func(o *ObservedJob) { o.Failure = &f }), testNow)
		if task.RetryLater(testNow) {
			t.Errorf("%s is tried again", f.Code)
		}
	}
}

func TestASeedingTaskIsCompletedHoweverItsJobEnds(t *testing.T) {
	for _, phase := range []JobPhase{JobDone, JobFailed, JobRemoved} {
		for _, deliveries := range [][]ObservedDelivery{nil, {{Task: "t", Phase: phase}}} {
			task := Task{ID: "t", Job: "j", State: StateSeeding, Wish: WishRun}
			if !task.Observe(&ObservedJob{ID: "j", Phase: phase, Deliveries: deliveries}, time.Now()) || task.State != StateCompleted {
				t.Errorf("%s with %d deliveries: %s", phase, len(deliveries), task.State)
			}
		}
	}
}

func TestTheFilesOfATaskAreThoseOfItsLastAttempt(t *testing.T) {
	task := runningTask()
	held := func(revision int64, files ...DeliveredFile) *ObservedJob {
		return observed(JobHeld, func(o *ObservedJob) {
			o.Revision, o.Deliveries[0].Files = revision, files
			o.Deliveries[0].Failure = &Failure{Code: errs.OutOfSpace}
		})
	}
	task.Observe(held(1, DeliveredFile{Path: "old/a"}, DeliveredFile{Path: "old/b"}), testNow)
	task.Observe(held(2), testNow) // taken back, for another destination
	if task.Files != nil {
		t.Errorf("taken back: %+v", task.Files)
	}
	task.Observe(held(2, DeliveredFile{Path: "old/a"}), testNow)
	task.Observe(observed(JobFailed, func(o *ObservedJob) { o.Deliveries[0].Files = []DeliveredFile{{Path: "old/a"}} }), testNow)
	task.Retry()
	task.Start(&Job{ID: "j1"}, testNow)
	task.Observe(observed(JobDone, func(o *ObservedJob) {
		o.Deliveries[0].Done, o.Deliveries[0].Files = true, []DeliveredFile{{Path: "new/a"}}
	}), testNow)
	if task.State != StateCompleted || len(task.Files) != 1 || task.Files[0].Path != "new/a" {
		t.Errorf("%s with %+v", task.State, task.Files)
	}
}

func TestAPauseThatComesWhenTheDataIsHeldCanBeTakenBack(t *testing.T) {
	task := runningTask()
	task.Observe(observed(JobDownloading, nil), testNow)
	task.Pause(testNow)
	held := func(o *ObservedJob) { o.Deliveries[0].Failure = &Failure{Code: errs.OutOfSpace} }
	task.Observe(observed(JobHeld, held), testNow) // from before the node knew
	task.Observe(observed(JobPaused, held), testNow)
	if task.State != StatePaused || task.Error != nil || !task.Resume(testNow) {
		t.Fatalf("%s %+v", task.State, task.Error)
	}
	task.Observe(observed(JobHeld, held), testNow)
	if task.State != StateHeld || task.Error == nil {
		t.Errorf("resumed: %s %+v", task.State, task.Error)
	}
}
