package delivery

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestAFileThatCannotBeReadDoesNotKeepTheOthersBack(t *testing.T) {
	for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
		for _, policy := range core.ConflictPolicies {
			t.Run(use+", "+string(policy), func(t *testing.T) {
				files := tree{"a": "A", "d/b": "B", "d/gone": "G", "d/e/c": "C", "z/y": "Y"}
				job := newJob(t, files)
				job.Root, job.Data, job.OnConflict = otherDevice(t), data, policy
				plan := mustPlan(t, job)
				gone := filepath.Join(job.Source, "d/gone")
				if err := os.Rename(gone, gone+".away"); err != nil {
					t.Fatal(err)
				}
				r, err := execute(newMover(), job, &plan)
				if !errs.Is(err, errs.FilesMissing) || len(r.Failed) != 1 || job.Files[r.Failed[0].Index].Path != "d/gone" {
					t.Fatalf("%v, failed: %v", err, r.Failed)
				}
				if got := paths(r); got != "a|d/b|d/e/c|z/y" {
					t.Errorf("delivered %s", got)
				}
				if err := os.Rename(gone+".away", gone); err != nil {
					t.Fatal(err)
				}
				if _, err := execute(newMover(), job, &plan); err != nil {
					t.Fatalf("with the file: %v", err)
				}
				assertTree(t, job.folder(), files)
			})
		}
	}
}

func TestAnAttemptForSomeFilesLeavesTheOthers(t *testing.T) {
	for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
		t.Run(use, func(t *testing.T) {
			files := tree{"a": "A", "d/b": "B", "d/c": "C", "z": "Z"}
			job := newJob(t, files)
			job.Data = data
			tree{"d/old": "old"}.write(t, job.folder())
			plan := mustPlan(t, job)
			job.Only = []int{1, 3} // d/b and z
			r, err := execute(newMover(), job, &plan)
			if !errs.Is(err, errs.NotDelivered) || len(r.Failed) != 2 || paths(r) != "d (1)/b|z" {
				t.Fatalf("%v: delivered %s, failed %v", err, paths(r), r.Failed)
			}
			job.Only = nil
			if r, err = execute(newMover(), job, &plan); err != nil || len(r.Files) != 4 {
				t.Fatalf("%v: delivered %s", err, paths(r))
			}
			assertTree(t, job.folder(), tree{"a": "A", "d (1)/b": "B", "d (1)/c": "C", "z": "Z", "d/old": "old"})
		})
	}
}

// rejecting is a file system that refuses some names.
type rejecting struct {
	systemNames
	names string
	err   error
}

func (r rejecting) renameNew(from *os.File, old string, to *os.File, name string) error {
	if strings.Contains(r.names, name) {
		return &os.LinkError{Op: "rename", Old: old, New: name, Err: r.err}
	}
	return r.systemNames.renameNew(from, old, to, name)
}

func TestANameThatIsRefusedLateDoesNotKeepTheOthersBack(t *testing.T) {
	for _, refusal := range []error{syscall.ENAMETOOLONG, syscall.EILSEQ} {
		job := newJob(t, tree{"bad": "A", "good": "B", "d/bad": "C", "d/good": "D"})
		job.Data = DataCopy
		r, err := deliver(newMover(withNamer(rejecting{names: "bad d", err: refusal})), job)
		if !errs.Is(err, errs.NameNotPossible) || errs.HintOf(err) == "" || paths(r) != "d/good|good" {
			t.Errorf("%v: delivered %s", err, paths(r))
		}
		for _, f := range r.Failed {
			if !errs.Is(f.Err, errs.NameNotPossible) {
				t.Error(f)
			}
		}
	}
}

func TestAnErrorOfSavingEndsADelivery(t *testing.T) {
	job := newJob(t, tree{"a": "A", "b": "B"})
	job.Data = DataCopy
	broken := errors.New("the journal is full")
	plan := mustPlan(t, job)
	_, err := newMover().Execute(t.Context(), job, plan, Hooks{Save: failingSave(broken)})
	if !errors.Is(err, broken) {
		t.Fatal(err)
	}
	if _, err := execute(newMover(), job, &plan); err != nil {
		t.Fatal(err)
	}
	assertTree(t, job.folder(), tree{"a": "A", "b": "B"})
}
