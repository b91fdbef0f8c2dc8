package tasks

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/haul-dl/haul/core"
)

// What the memory has of a task must be all that a report is held against: else
// a transition is overlooked, or each look at a download writes.
func TestALiveTaskKnowsWhetherAReportChangesItsTask(t *testing.T) {
	few := rapid.MakeConfig{
		Kinds: map[reflect.Kind]*rapid.Generator[any]{
			reflect.String: rapid.SampledFrom([]string{"", "a", "b"}).AsAny(),
			reflect.Int:    rapid.IntRange(0, 2).AsAny(),
			reflect.Int64:  rapid.Int64Range(0, 2).AsAny(),
		},
		Types: map[reflect.Type]*rapid.Generator[any]{
			reflect.TypeFor[time.Time]():      rapid.SampledFrom([]time.Time{time.Unix(1, 0), time.Unix(2, 0)}).AsAny(),
			reflect.TypeFor[core.TaskState](): rapid.SampledFrom(core.TaskStates).AsAny(),
			reflect.TypeFor[core.Wish]():      rapid.SampledFrom([]core.Wish{core.WishRun, core.WishPause, core.WishCancel}).AsAny(),
			reflect.TypeFor[core.JobPhase](): rapid.SampledFrom([]core.JobPhase{
				core.JobAccepted, core.JobAdding, core.JobQueued, core.JobMetadata, core.JobDownloading, core.JobPaused, core.JobDownloaded,
				core.JobDelivering, core.JobHeld, core.JobDelivered, core.JobSeeding, core.JobDone, core.JobFailed, core.JobRemoved,
			}).AsAny(),
		},
	}
	tasks, reports := rapid.MakeCustom[core.Task](few), rapid.MakeCustom[core.ObservedJob](few)
	rapid.Check(t, func(t *rapid.T) {
		task, report := tasks.Draw(t, "task"), reports.Draw(t, "report")
		live := liveTaskOf(&task)
		would := live.wouldChange(&report, time.Unix(3, 0))
		if did := task.Observe(&report, time.Unix(3, 0)); did != would {
			t.Errorf("the report changes the task: %t, the memory says %t", did, would)
		}
	})
}
