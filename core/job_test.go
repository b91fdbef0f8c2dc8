package core

import (
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
)

func TestAJobIsWantedUntilTheLastTaskLeaves(t *testing.T) {
	j := &Job{Revision: 1, Wish: JobRun, Deliveries: []Delivery{{Task: "a"}, {Task: "b"}}}
	j.Leave("a")
	if j.Wish != JobRun || len(j.Deliveries) != 1 || j.Deliveries[0].Task != "b" || j.Revision != 2 {
		t.Fatalf("after the first: %+v", j)
	}
	j.Leave("b")
	if j.Wish != JobRemove || len(j.Deliveries) != 0 || j.Revision != 3 {
		t.Fatalf("after the last: %+v", j)
	}
}

func TestRetryingADeliveryTouchesNoOther(t *testing.T) {
	j := &Job{Deliveries: []Delivery{{Task: "a", Attempt: 1}, {Task: "b", Attempt: 1}}}
	j.RetryDelivery("b", []int{3})
	if j.Deliveries[0].Attempt != 1 || j.Deliveries[1].Attempt != 2 || len(j.Deliveries[1].Only) != 1 || j.Revision != 1 {
		t.Fatalf("%+v", j)
	}
}

func TestAJobRunsWhileAnyOfItsTasksWantsThat(t *testing.T) {
	j := &Job{}
	j.Join(Delivery{Task: "a", Limits: downloader.Limits{DownloadRate: 100, Seed: &downloader.SeedLimits{Ratio: 1}}})
	j.Join(Delivery{Task: "b", Limits: downloader.Limits{DownloadRate: 50}})
	if j.Wish != JobRun || j.Limits.DownloadRate != 100 || j.Limits.Seed == nil || j.Limits.Seed.Ratio != 1 {
		t.Fatalf("together: %+v", j)
	}
	j.Pause("a")
	if j.Wish != JobRun || !j.Deliveries[0].Paused || j.Deliveries[1].Paused {
		t.Fatalf("one paused: %+v", j)
	}
	j.Pause("b")
	if j.Wish != JobPause {
		t.Fatalf("all paused: %+v", j)
	}
	j.Resume("b")
	if j.Wish != JobRun || j.Resumes != 1 || !j.Deliveries[0].Paused {
		t.Fatalf("one resumed: %+v", j)
	}
	j.Change("b", func(d *Delivery) { d.Limits.DownloadRate = 0 })
	if j.Limits.DownloadRate != 0 {
		t.Errorf("a limit of one binds the other: %+v", j.Limits)
	}
}

func TestIDsAscendAndAreChecked(t *testing.T) {
	a, b := NewID[TaskID](), NewID[TaskID]()
	if a >= b {
		t.Errorf("%s does not come before %s", a, b)
	}
	if _, err := ParseID[TaskID](string(a)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "x", string(a) + "0", "{" + string(a) + "}", "../" + string(a)} {
		if _, err := ParseID[TaskID](bad); err == nil {
			t.Errorf("%q was taken for an id", bad)
		}
	}
}
