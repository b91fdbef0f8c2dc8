package upload

import (
	"context"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
)

// twins are two tasks that bring the same file to the same name.
func twins(t *testing.T, m *memory, policy core.ConflictPolicy) (u *Uploader, a, b delivery.Job, planA, planB delivery.Plan) {
	t.Helper()
	u = newUploader()
	a, b = newJob(t, m, tree{"a.bin": "AA"}), newJob(t, m, tree{"a.bin": "AA"})
	b.Task = "01900000-0000-7000-8000-000000000002"
	for job, plan := range map[*delivery.Job]*delivery.Plan{&a: &planA, &b: &planB} {
		job.OnConflict = policy
		var err error
		if *plan, err = u.Plan(t.Context(), *job); err != nil {
			t.Fatal(err)
		}
	}
	return u, a, b, planA, planB
}

func TestWhoIsCanceledLeavesWhatAnotherHasDelivered(t *testing.T) {
	for _, sums := range []bool{true, false} {
		m := newMemory(tree{})
		m.tellsMD5 = sums
		u, a, b, planA, planB := twins(t, m, core.ConflictRename)
		planB.Begun = true // and nothing of it was sent yet
		if _, err := execute(t.Context(), u, a, &planA); err != nil {
			t.Fatal(err)
		}
		if err := u.Retract(t.Context(), b, planB); err != nil {
			t.Fatal(err)
		}
		assertHas(t, m, tree{"home/a.bin": "AA"})
	}
}

func TestWhoIsCanceledLeavesWhatAnotherHasPutInItsPlace(t *testing.T) {
	m := newMemory(tree{})
	u, a, b, planA, planB := twins(t, m, core.ConflictOverwrite)
	if _, err := execute(t.Context(), u, b, &planB); err != nil {
		t.Fatal(err)
	}
	if _, err := execute(t.Context(), u, a, &planA); err != nil {
		t.Fatal(err)
	}
	if err := u.Retract(t.Context(), b, planB); err != nil {
		t.Fatal(err)
	}
	assertHas(t, m, tree{"home/a.bin": "AA"})
}

func TestWhoGoesOnDoesNotTakeWhatAnotherHasDeliveredForItsOwn(t *testing.T) {
	m := newMemory(tree{})
	u, a, b, planA, planB := twins(t, m, core.ConflictRename)
	planB.Begun = true
	if _, err := execute(t.Context(), u, a, &planA); err != nil {
		t.Fatal(err)
	}
	if _, err := execute(t.Context(), u, b, &planB); err != nil {
		t.Fatal(err)
	}
	assertHas(t, m, tree{"home/a.bin": "AA", "home/a (1).bin": "AA"})
}

func TestWhoIsCanceledDoesNotDisturbAnothersUpload(t *testing.T) {
	m := newMemory(tree{})
	u, a, b, planA, planB := twins(t, m, core.ConflictRename)
	planB.Begun = true
	removed := 0
	m.before = func(ctx context.Context, op, _ string) error {
		switch {
		case strings.HasPrefix(op, "remove"):
			removed++
		case strings.HasPrefix(op, "put"):
			if err := u.Discard(b, planB); err != nil {
				t.Error(err)
			}
			if err := u.Retract(ctx, b, planB); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	if _, err := execute(t.Context(), u, a, &planA); err != nil {
		t.Fatal(err)
	}
	if removed > 0 {
		t.Error("the parts of a file that is being sent were removed")
	}
	if err := u.Discard(b, planB); err != nil {
		t.Fatal(err)
	}
	assertHas(t, m, tree{"home/a.bin": "AA"})
}

func TestOnlyTheNewestFilesAreRemembered(t *testing.T) {
	c := newClaims()
	const other core.TaskID = "other"
	for i := range maxPutters + 2 {
		c.wasPut("s", strings.Repeat("x", i%7)+string(rune('a'+i%26))+"/"+core.NewID[string](), task)
	}
	c.wasPut("s", "newest", task)
	c.wasPut("s", "newest", task)
	if len(c.putters) != maxPutters || len(c.putOrder) != maxPutters {
		t.Errorf("%d files, %d in order", len(c.putters), len(c.putOrder))
	}
	if !c.isAnothers("s", "NEWEST", other) || c.isAnothers("s", "newest", task) || c.isAnothers("s", "unknown", other) {
		t.Error("it is not known who has put a file")
	}
}
