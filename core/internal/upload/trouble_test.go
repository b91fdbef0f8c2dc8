package upload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestTroubleThatPasses(t *testing.T) {
	tests := []struct {
		name  string
		after bool // the answer is lost, not the call
		fails int
		code  errs.Code
		took  time.Duration
		tries int
		sum   bool
		want  errs.Code
	}{
		{name: "once", fails: 1, code: errs.StorageUnreachable, took: time.Second, tries: 2},
		{name: "twice", fails: 2, code: errs.StorageError, took: 5 * time.Second, tries: 3},
		{name: "three times is too often", fails: 3, code: errs.StorageUnreachable, took: 5 * time.Second, tries: 3, want: errs.StorageUnreachable},
		{name: "an error without a code", fails: 1, code: "", took: time.Second, tries: 2},
		{name: "the answer is lost, by hash", after: true, fails: 1, code: errs.StorageUnreachable, sum: true, took: time.Second, tries: 1},
		{name: "the answer is lost, by size", after: true, fails: 1, code: errs.StorageUnreachable, took: time.Second, tries: 1},
		{name: "credentials do not get right by themselves", fails: 1, code: errs.StorageAuthFailed, tries: 1, want: errs.StorageAuthFailed},
		{name: "nor does a full storage get space", fails: 1, code: errs.OutOfSpace, tries: 1, want: errs.OutOfSpace},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(nil)
				m.tellsMD5 = tt.sum
				fails := 0
				fn := func(_ context.Context, op, name string) error {
					if op != "put" || name != "home/b" || fails == tt.fails {
						return nil
					}
					fails++
					if tt.code == "" {
						return errors.New("connection reset by peer")
					}
					return errs.New(tt.code, "it said so")
				}
				if tt.after {
					m.after = fn
				} else {
					m.before = fn
				}
				start := time.Now()
				r, err := deliver(t.Context(), newUploader(), newJob(t, m, tree{"a": "A", "b": "B", "c": "C"}))
				if errs.CodeOf(err) != tt.want || time.Since(start) != tt.took || m.count("put", "home/b") != tt.tries {
					t.Fatalf("got %v after %s and %d puts", err, time.Since(start), m.count("put", "home/b"))
				}
				if tt.want == "" {
					assertHas(t, m, tree{"home/a": "A", "home/b": "B", "home/c": "C"})
					return
				}
				assertHas(t, m, tree{"home/a": "A", "home/c": "C"})
				if paths(r) != "a|c" || len(r.Failed) != 1 || r.Failed[0].Index != 1 || errs.MessageOf(err) != "b: it said so" {
					t.Errorf("the result has %s, %v; %s", paths(r), r.Failed, errs.MessageOf(err))
				}
			})
		})
	}
}

func TestAnAttemptForSomeFilesOnly(t *testing.T) {
	m := newMemory(nil)
	broken := true
	m.before = func(_ context.Context, op, name string) error {
		if broken && op == "put" && name != "home/a" {
			return errs.New(errs.DestinationReadOnly, "no")
		}
		return nil
	}
	job := newJob(t, m, tree{"a": "A", "b": "B", "c": "C"})
	u := newUploader()
	plan, err := u.Plan(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := execute(t.Context(), u, job, &plan); !errs.Is(err, errs.DestinationReadOnly) || !strings.Contains(err.Error(), "2 of 3") {
		t.Fatal(err)
	}
	broken = false
	job.Only = []int{2}
	r, err := execute(t.Context(), u, job, &plan)
	if !errs.Is(err, errs.NotDelivered) || paths(r) != "a|c" || len(r.Failed) > 0 {
		t.Fatal(err, r)
	}
	job.Only = nil
	if _, err := execute(t.Context(), u, job, &plan); err != nil {
		t.Fatal(err)
	}
	if n := m.count("put", "home/a") + m.count("put", "home/c"); n != 3 { // c failed once
		t.Errorf("%d puts of what had arrived", n)
	}
}

func TestAStorageThatIsDownIsNotAskedForEachOfManyFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := tree{}
		for i := range 500 {
			files[fmt.Sprintf("d/%03d", i)] = "x"
		}
		m := newMemory(nil)
		m.before = func(_ context.Context, op, _ string) error {
			if op == "put" {
				return errs.New(errs.StorageUnreachable, "down")
			}
			return nil
		}
		_, err := deliver(t.Context(), newUploader(), newJob(t, m, files))
		if !errs.Is(err, errs.StorageUnreachable) || !strings.Contains(err.Error(), "500 of 500") || m.count("put", "") > 40 {
			t.Errorf("got %v after %d puts", err, m.count("put", ""))
		}
	})
}

func TestAStorageThatTakesAndLoses(t *testing.T) {
	tests := []struct {
		name   string
		losses int
		damage func(m *memory)
		want   errs.Code
		puts   int
	}{
		{name: "it shows it late", losses: 0, puts: 1, damage: nil},
		{name: "loses it once", losses: 1, puts: 2, damage: func(m *memory) { m.lose("home/b") }},
		{name: "loses it each time", losses: 9, puts: 2, damage: func(m *memory) { m.lose("home/b") }, want: errs.StorageError},
		{name: "keeps other bytes", losses: 9, puts: 1, want: errs.StorageError, damage: func(m *memory) {
			m.mu.Lock()
			defer m.mu.Unlock()
			for name := range m.files {
				if strings.HasPrefix(name, "home/b") {
					m.store(name, "X", time.Unix(3, 0))
				}
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMemory(nil)
				m.tellsMD5 = true
				lost, stats := 0, 0
				m.before = func(_ context.Context, op, name string) error {
					if op != "stat" || !strings.HasPrefix(name, "home/b") || m.count("put", name) == 0 {
						return nil
					}
					if stats++; tt.damage == nil && stats < 3 {
						return errs.New(errs.NotFound, "")
					}
					if tt.damage != nil && lost < tt.losses {
						tt.damage(m)
						if stats%3 == 0 {
							lost++
						}
					}
					return nil
				}
				_, err := deliver(t.Context(), newUploader(), newJob(t, m, tree{"a": "A", "b": "B"}))
				if errs.CodeOf(err) != tt.want || m.count("put", "home/b") != tt.puts {
					t.Errorf("got %v after %d puts", err, m.count("put", "home/b"))
				}
			})
		})
	}
}

func TestAStorageThatTakesNothingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(nil)
		m.before = func(ctx context.Context, op, _ string) error {
			if op == "put" {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		start := time.Now()
		_, err := deliver(t.Context(), newUploader(), newJob(t, m, tree{"a": "A"}))
		if took := time.Since(start); !errs.Is(err, errs.StorageUnreachable) || took > 3*stallTimeout+time.Minute {
			t.Errorf("got %v after %s", err, took)
		}
	})
}

func TestAFileThatChangesWhileItGoesUp(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, file string)
	}{
		{"grows", func(t *testing.T, file string) { rewrite(t, file, "longer") }},
		{"shrinks", func(t *testing.T, file string) { rewrite(t, file, "") }},
		{"has other bytes", func(t *testing.T, file string) {
			rewrite(t, file, "Y")
			if err := os.Chtimes(file, time.Now(), time.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(nil)
			job := newJob(t, m, tree{"a": "A", "x": "X"})
			m.before = func(_ context.Context, op, name string) error {
				if op == "put" && name == "home/x" {
					tt.change(t, filepath.Join(job.Source, "x"))
				}
				return nil
			}
			r, err := deliver(t.Context(), newUploader(), job)
			if !errs.Is(err, errs.FilesChanged) || len(r.Failed) != 1 {
				t.Errorf("got %v", err)
			}
			assertHas(t, m, tree{"home/a": "A"})
		})
	}
}

func rewrite(t *testing.T, file, content string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Error(err)
	}
}

func TestAStorageThatDamagesWhatItTakesKeepsNothingOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		liar := &damaging{memory: newMemory(nil)}
		liar.tellsMD5 = true
		job := newJob(t, liar.memory, tree{"a": "A"})
		job.Remote = liar
		if _, err := deliver(t.Context(), newUploader(), job); !errs.Is(err, errs.StorageError) {
			t.Errorf("got %v", err)
		}
		assertHas(t, liar.memory, tree{"home/": ""})
	})
}

func TestACancelIsAtOnceAndKeepsWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(nil)
		ctx, cancel := context.WithCancel(t.Context())
		m.before = func(ctx context.Context, op, name string) error {
			if op == "put" && name == "home/b" {
				time.AfterFunc(100*time.Millisecond, cancel)
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		u := newUploader()
		job := newJob(t, m, tree{"a": "A", "b": "B"})
		plan, err := u.Plan(ctx, job)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		r, err := execute(ctx, u, job, &plan)
		if !errors.Is(err, context.Canceled) || time.Since(start) != 100*time.Millisecond || len(r.Failed) > 0 {
			t.Error(err, r, time.Since(start))
		}
		if !plan.Uploads[0].Done || plan.Uploads[1].Done {
			t.Errorf("stored: %+v", plan.Uploads)
		}
	})
}

func TestSaveErrorsEndTheDelivery(t *testing.T) {
	m := newMemory(nil)
	job := newJob(t, m, tree{"a": "A"})
	u := newUploader()
	plan, err := u.Plan(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("journal")
	_, err = u.Execute(t.Context(), job, plan, delivery.Hooks{Save: func(context.Context, delivery.Plan) error { return broken }})
	if !errors.Is(err, broken) {
		t.Error(err)
	}
	assertHas(t, m, tree{}) // nothing is sent before the plan is stored as begun
}
