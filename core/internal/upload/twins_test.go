package upload

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
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

func TestALostAnswerIsRecognisedWhereAnotherOnceHadTheName(t *testing.T) {
	for _, removedBy := range []string{"haul", "somebody"} {
		for _, policy := range []core.ConflictPolicy{core.ConflictRename, core.ConflictFail, core.ConflictSkip} {
			t.Run(removedBy+" "+string(policy), func(t *testing.T) {
				m := newMemory(tree{})
				m.tellsMD5 = true
				u, a, b, planA, _ := twins(t, m, policy)
				if _, err := execute(t.Context(), u, a, &planA); err != nil {
					t.Fatal(err)
				}
				if removedBy == "somebody" {
					m.lose("home/a.bin")
				} else if err := u.Retract(t.Context(), a, planA); err != nil {
					t.Fatal(err)
				}
				planB, err := u.Plan(t.Context(), b)
				if err != nil {
					t.Fatal(err)
				}
				lost := false
				m.after = func(_ context.Context, op, _ string) error {
					if op == "put" && !lost {
						lost = true
						return errs.New(errs.StorageUnreachable, "The answer is lost.")
					}
					return nil
				}
				r, err := execute(t.Context(), u, b, &planB)
				if err != nil || paths(r) != "a.bin" {
					t.Errorf("%v, %s", err, paths(r))
				}
				assertHas(t, m, tree{"home/a.bin": "AA"})
			})
		}
	}
}

func TestFilesWhoseNamesDifferInCaseAloneAreAllTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, u := newMemory(tree{}), newUploader()
		job := newJob(t, m, tree{"d/README": "AA", "d/Readme": "BB", "d/readme": "CC"})
		plan, err := u.Plan(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := execute(t.Context(), u, job, &plan); err != nil {
			t.Fatal(err)
		}
		m.before = func(context.Context, string, string) error {
			time.Sleep(time.Second) // so that they are taken back at the same time
			return nil
		}
		if err := u.Retract(t.Context(), job, plan); err != nil {
			t.Fatal(err)
		}
		assertHas(t, m, tree{"home/": ""})
	})
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
	if !c.isAnothers("s", "newest", other) || c.isAnothers("s", "newest", task) || c.isAnothers("s", "unknown", other) {
		t.Error("it is not known who has put a file")
	}
	if c.isGone("s", "newest"); c.isAnothers("s", "newest", other) {
		t.Error("it is not known that a file is gone")
	}
}
