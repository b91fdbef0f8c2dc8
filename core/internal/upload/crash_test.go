package upload

import (
	"context"
	"errors"
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// crash lets a process die around its n-th call: after it, nothing that the
// process does has an effect.
type crash struct {
	at    int
	count int
	die   context.CancelFunc
	dead  bool
	point string
}

var errDead = errors.New("the process is dead")

// step is called before each call has its effect, and again after it.
func (c *crash) step(point string) error {
	if c.dead {
		return errDead
	}
	if c.count++; c.count == c.at {
		c.dead, c.point = true, point
		c.die()
		return errDead
	}
	return nil
}

// TestACrashAnywhereDeliversOnce crashes before and after each call to the
// storage and each write of the plan, starts again from what was stored, and
// looks for a file that is missing, there twice, or sent again.
func TestACrashAnywhereDeliversOnce(t *testing.T) {
	tests := []struct {
		name                string
		policy              core.ConflictPolicy
		tellsMD5, keepsTime bool
		refuses             func(string) bool
		// sends is how often a file may be sent: a storage that tells size alone cannot
		// say whether it was replaced.
		sends int
		want  tree
	}{
		{name: "by hash", tellsMD5: true, sends: 1, want: tree{"home/a (1).bin": "AA", "home/d (1)/b": "BBB", "home/d (1)/e/c": "", "home/z": "Z"}},
		{name: "by time", keepsTime: true, sends: 1, want: tree{"home/a (1).bin": "AA", "home/d (1)/b": "BBB", "home/d (1)/e/c": "", "home/z": "Z"}},
		{name: "by size", sends: 1, want: tree{"home/a (1).bin": "AA", "home/d (1)/b": "BBB", "home/d (1)/e/c": "", "home/z": "Z"}},
		{name: "skip", policy: core.ConflictSkip, tellsMD5: true, sends: 1, want: tree{"home/d/e/c": "", "home/z": "Z"}},
		{name: "overwrite by hash", policy: core.ConflictOverwrite, tellsMD5: true, sends: 1, want: tree{"home/a.bin": "AA", "home/d/b": "BBB", "home/d/e/c": "", "home/z": "Z"}},
		{name: "overwrite by size", policy: core.ConflictOverwrite, sends: 2, want: tree{"home/a.bin": "AA", "home/d/b": "BBB", "home/d/e/c": "", "home/z": "Z"}},
		{
			name: "names that are refused", tellsMD5: true, sends: 1, refuses: func(p string) bool { return strings.HasSuffix(p, "/e/c") && !strings.Contains(p, "(") },
			want: tree{"home/a (1).bin": "AA", "home/d (1)/b": "BBB", "home/d (1)/e/c": "", "home/z": "Z"},
		},
	}
	files := tree{"a.bin": "AA", "d/b": "BBB", "d/e/c": "", "z": "Z"}
	there := tree{"home/a.bin": "old", "home/d/b": "old"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := maps.Clone(there)
			maps.Copy(want, tt.want)
			for n := 1; ; n++ {
				m := newMemory(there)
				m.tellsMD5, m.keepsTime, m.refuses = tt.tellsMD5, tt.keepsTime, tt.refuses
				job := newJob(t, m, files)
				job.OnConflict = tt.policy
				point := crashAndGoOn(t, m, job, n, func(t *testing.T, plan *delivery.Plan) {
					if _, err := execute(t.Context(), newUploader(), job, plan); err != nil {
						t.Fatalf("after the crash at %d: %v", n, err)
					}
				})
				assertHas(t, m, want)
				for name := range tt.want {
					if sent := m.count("stored", name); sent > tt.sends {
						t.Errorf("%s was sent %d times", name, sent)
					}
				}
				if t.Failed() {
					t.Fatalf("after the crash at %d, %s", n, point)
				}
				if point == "" {
					return
				}
			}
		})
	}
}

// TestRetractAfterACrashLeavesNothingBehind gives the delivery up instead.
func TestRetractAfterACrashLeavesNothingBehind(t *testing.T) {
	files := tree{"a.bin": "AA", "d/b": "BBB", "d/e/c": "", "z": "Z"}
	there := tree{"home/a.bin": "old", "home/d/b": "old", "home/other/x": "x"}
	for _, sums := range []bool{true, false} {
		for n := 1; ; n++ {
			m := newMemory(there)
			m.tellsMD5 = sums
			job := newJob(t, m, files)
			point := crashAndGoOn(t, m, job, n, func(t *testing.T, plan *delivery.Plan) {
				if err := newUploader().Retract(t.Context(), job, *plan); err != nil {
					t.Fatal(err)
				}
			})
			assertHas(t, m, there)
			if t.Failed() {
				t.Fatalf("after the crash at %d, %s", n, point)
			}
			if point == "" {
				break
			}
		}
	}
}

// crashAndGoOn executes until the n-th step, and calls then with what is stored.
// It returns where it crashed, or "" where there are fewer steps.
func crashAndGoOn(t *testing.T, m *memory, job delivery.Job, n int, then func(*testing.T, *delivery.Plan)) (point string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		plan, err := newUploader().Plan(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c := &crash{at: n, die: cancel}
		locked := func(point string) error {
			m.mu.Lock()
			defer m.mu.Unlock()
			return c.step(point)
		}
		m.before = func(_ context.Context, op, name string) error { return locked("before " + op + " " + name) }
		m.after = func(_ context.Context, op, name string) error { return locked("after " + op + " " + name) }
		hooks := delivery.Hooks{Save: func(_ context.Context, p delivery.Plan) error {
			if err := locked("before save"); err != nil {
				return err
			}
			plan = p
			return locked("after save")
		}}
		if _, err = executeWith(ctx, newUploader(), job, &plan, hooks); (err != nil) != c.dead {
			t.Fatal(c.point, err)
		}
		point = c.point
		m.before, m.after = nil, nil
		then(t, &plan)
	})
	return point
}

func TestRetractAndDiscardTouchOnlyWhatThePlanHasPut(t *testing.T) {
	there := tree{"home/d/theirs": "x"}
	tests := []struct {
		name   string
		policy core.ConflictPolicy
		change func(m *memory)
		want   tree // after Retract
		gone   bool // the job's directory
	}{
		{name: "as it was put", want: there},
		{name: "the job's data is gone", gone: true, want: there},
		{name: "a merged folder stays", policy: core.ConflictOverwrite, want: there},
		{
			name: "what somebody has replaced stays", change: func(m *memory) { m.store("home/a", "replaced", m.files["home/a"].time) },
			want: tree{"home/d/theirs": "x", "home/a": "replaced"},
		},
		{
			name: "what somebody has put beside stays", change: func(m *memory) { m.store("home/n/theirs", "x", m.files["home/a"].time) },
			want: tree{"home/d/theirs": "x", "home/n/theirs": "x"},
		},
		{name: "what is gone is no trouble", change: func(m *memory) { m.lose("home/a") }, want: there},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(there)
			m.before = func(_ context.Context, op, name string) error {
				if op == "put" && strings.HasSuffix(name, "/fails") {
					return errs.New(errs.OutOfSpace, "")
				}
				return nil
			}
			job := newJob(t, m, tree{"a": "A", "d/b": "B", "n/e/c": "C", "n/fails": "F"})
			job.OnConflict = tt.policy
			u := newUploader()
			plan, err := u.Plan(t.Context(), job)
			if err != nil {
				t.Fatal(err)
			}
			if err := u.Retract(t.Context(), job, plan); err != nil || m.count("remove", "") > 0 {
				t.Fatal("a plan that has not begun:", err)
			}
			if _, err := execute(t.Context(), u, job, &plan); !errs.Is(err, errs.OutOfSpace) {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(m)
			}
			if tt.gone {
				if err := os.RemoveAll(job.Source); err != nil {
					t.Fatal(err)
				}
			}
			before := m.has()
			if err := u.Discard(job, plan); err != nil {
				t.Fatal(err)
			}
			assertHas(t, m, before)
			if m.count("remove", "") != 1 || m.count("remove", "home/n/fails") != 1 {
				t.Error("Discard does not ask the storage to remove what the failed file left")
			}
			if err := u.Retract(t.Context(), job, plan); err != nil {
				t.Fatal(err)
			}
			assertHas(t, m, tt.want)
		})
	}
}
