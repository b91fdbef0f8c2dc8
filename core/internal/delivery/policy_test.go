package delivery

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestWhatHasTheNameIsTreatedAsThePolicySays(t *testing.T) {
	const skip, overwrite, fail = core.ConflictSkip, core.ConflictOverwrite, core.ConflictFail
	tests := []struct {
		name    string
		policy  core.ConflictPolicy
		files   tree
		before  tree
		after   tree
		skipped string // the paths of skipped files
		failed  errs.Code
	}{
		{name: "skip leaves a file", policy: skip, files: tree{"a": "new", "b": "B"}, before: tree{"a": "old"}, after: tree{"a": "old", "b": "B"}, skipped: "a"},
		{
			name: "skip fills a folder up", policy: skip, files: tree{"d/a": "new", "d/e/b": "B", "d/c": "C"}, before: tree{"d/a": "old", "d/x": "X", "d/e/y": "Y"},
			after: tree{"d/a": "old", "d/x": "X", "d/e/y": "Y", "d/e/b": "B", "d/c": "C"}, skipped: "d/a",
		},
		{name: "skip makes no folder out of a file", policy: skip, files: tree{"d/a": "A", "b": "B"}, before: tree{"d": "file"}, after: tree{"d": "file", "b": "B"}, failed: errs.DestinationExists},
		{name: "overwrite replaces a file", policy: overwrite, files: tree{"a": "new"}, before: tree{"a": "old", "b": "B"}, after: tree{"a": "new", "b": "B"}},
		{
			name: "overwrite merges folders", policy: overwrite, files: tree{"d/a": "new", "d/e/b": "B"}, before: tree{"d/a": "old", "d/x": "X", "d/e/y": "Y"},
			after: tree{"d/a": "new", "d/x": "X", "d/e/y": "Y", "d/e/b": "B"},
		},
		{name: "overwrite puts no file in the place of a folder", policy: overwrite, files: tree{"a": "A", "b": "B"}, before: tree{"a/x": "X"}, after: tree{"a/x": "X", "b": "B"}, failed: errs.DestinationExists},
		{name: "overwrite puts no folder in the place of a file", policy: overwrite, files: tree{"a/x": "A", "b": "B"}, before: tree{"a": "A"}, after: tree{"a": "A", "b": "B"}, failed: errs.DestinationExists},
		{
			name: "overwrite puts no folder in the place of a file deep inside", policy: overwrite, files: tree{"d/e/x": "A", "d/b": "B"}, before: tree{"d/e": "E"},
			after: tree{"d/e": "E", "d/b": "B"}, failed: errs.DestinationExists,
		},
		{name: "fail delivers where nothing is in the way", policy: fail, files: tree{"a": "A", "d/b": "B"}, before: tree{"x": "X"}, after: tree{"a": "A", "d/b": "B", "x": "X"}},
		{name: "fail delivers nothing otherwise", policy: fail, files: tree{"a": "A", "d/b": "B"}, before: tree{"d/x": "X"}, after: tree{"d/x": "X"}, failed: errs.DestinationExists},
	}
	for _, tt := range tests {
		for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
			t.Run(tt.name+", "+use, func(t *testing.T) {
				dir := memory(t)
				job := newJobIn(t, filepath.Join(dir, "job"), tt.files)
				job.Root, job.OnConflict, job.Data = dir, tt.policy, data
				tt.before.write(t, job.folder())
				r, err := deliver(newMover(), job)
				if errs.CodeOf(err) != tt.failed {
					t.Fatalf("%v, want %q", err, tt.failed)
				}
				if tt.failed != "" && tt.policy != fail && len(r.Failed)+len(r.Files) != len(tt.files) {
					t.Errorf("failed %v, delivered %v", r.Failed, r.Files)
				}
				removeAll(t, filepath.Join(job.folder(), hiddenFolder(task)), tt.failed != "")
				assertTree(t, job.folder(), tt.after)
				if got := skippedPaths(r); got != tt.skipped {
					t.Errorf("skipped %q, want %q", got, tt.skipped)
				}
			})
		}
	}
}

// removeAll takes away what a failed delivery keeps for its next try.
func removeAll(t *testing.T, dir string, failed bool) {
	t.Helper()
	if !failed {
		return
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func skippedPaths(r Result) string {
	var out []string
	for _, f := range r.Files {
		if f.Skipped {
			out = append(out, f.Path)
		}
	}
	return strings.Join(out, "|")
}

func TestOverwritingReplacesALinkAndNotWhatItLeadsTo(t *testing.T) {
	job := newJob(t, tree{"a": "new"})
	job.OnConflict = core.ConflictOverwrite
	tree{"target": "old"}.write(t, job.folder())
	if err := os.Symlink("target", filepath.Join(job.folder(), "a")); err != nil {
		t.Fatal(err)
	}
	mustDeliver(t, job)
	assertTree(t, job.folder(), tree{"a": "new", "target": "old"})
}

func TestAPolicyHoldsAgainstNamesTakenSinceThePlan(t *testing.T) {
	tests := []struct {
		policy core.ConflictPolicy
		taken  tree
		after  tree
		code   errs.Code
	}{
		{core.ConflictRename, tree{"a": "theirs", "d/x": "X"}, tree{"a": "theirs", "a (1)": "A", "d/x": "X", "d (1)/b": "B", "d (1)/c": "C"}, ""},
		{core.ConflictSkip, tree{"a": "theirs", "d/b": "theirs"}, tree{"a": "theirs", "d/b": "theirs", "d/c": "C"}, ""},
		{core.ConflictOverwrite, tree{"a": "theirs", "d/b": "theirs", "d/x": "X"}, tree{"a": "A", "d/b": "B", "d/c": "C", "d/x": "X"}, ""},
		{core.ConflictFail, tree{"a": "theirs"}, tree{"a": "theirs", "d/b": "B", "d/c": "C"}, errs.DestinationExists},
	}
	for _, tt := range tests {
		for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
			t.Run(string(tt.policy)+", "+use, func(t *testing.T) {
				dir := memory(t)
				job := newJobIn(t, filepath.Join(dir, "job"), tree{"a": "A", "d/b": "B", "d/c": "C"})
				job.Root, job.OnConflict, job.Data = dir, tt.policy, data
				plan := mustPlan(t, job)
				tt.taken.write(t, job.folder())
				_, err := execute(newMover(), job, &plan)
				if errs.CodeOf(err) != tt.code {
					t.Fatal(err)
				}
				removeAll(t, filepath.Join(job.folder(), hiddenFolder(task)), tt.code != "")
				assertTree(t, job.folder(), tt.after)
				if tt.code == "" {
					return
				}
				if err := os.Remove(filepath.Join(job.folder(), "a")); err != nil {
					t.Fatal(err)
				}
				if _, err := execute(newMover(), job, &plan); err != nil {
					t.Errorf("after the name became free: %v", err)
				}
			})
		}
	}
}

func TestATakenNameIsFoundBeforeAnythingIsLoaded(t *testing.T) {
	files := tree{"a": "A", "d/b": "B"}
	tests := []struct {
		name   string
		policy core.ConflictPolicy
		before tree
		code   errs.Code
	}{
		{"a file", core.ConflictFail, tree{"a": "old"}, errs.DestinationExists},
		{"a folder", core.ConflictFail, tree{"d/other": "old"}, errs.DestinationExists},
		{"something else", core.ConflictFail, tree{"c": "old"}, ""},
		{"no folder yet", core.ConflictFail, nil, ""},
		{"another policy", core.ConflictSkip, tree{"a": "old"}, ""},
	}
	for _, tt := range tests {
		job := newJob(t, files)
		job.OnConflict = tt.policy
		tt.before.write(t, job.folder())
		if err := newMover().Check(t.Context(), job); errs.CodeOf(err) != tt.code {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestAFileOfTheSameNumberOnAnotherDiskIsNotTakenForTheDownload(t *testing.T) {
	source := tmpfs(t, "size=1m")
	for n := range 30 { // so that there are lower numbers
		if err := os.Mkdir(filepath.Join(source, strconv.Itoa(n)), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	job := newJobIn(t, source, tree{"a": "fresh"})
	job.Root, job.OnConflict = tmpfs(t, "size=1m"), core.ConflictOverwrite
	old := filepath.Join(job.folder(), "a")
	if err := os.MkdirAll(job.folder(), 0o755); err != nil {
		t.Fatal(err)
	}
	number := func(name string) uint64 {
		t.Helper()
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		return inode(info)
	}
	want := number(filepath.Join(job.Source, "a"))
	for n := 0; ; n++ { // file systems number their files upwards
		if err := os.WriteFile(old, []byte("stale"), 0o600); err != nil {
			t.Fatal(err)
		}
		got := number(old)
		if got == want {
			break
		}
		if got > want || n > 10_000 {
			t.Skip("no file there gets the number of the source")
		}
		if err := os.Remove(old); err != nil {
			t.Fatal(err)
		}
	}
	plan := mustPlan(t, job)
	if err := newMover().Retract(t.Context(), job, plan); err != nil {
		t.Fatal(err)
	}
	if got := read(t, job.folder()); got["a"] != "stale" {
		t.Fatalf("nothing was delivered, and now there are %q", got)
	}
	if _, err := deliver(newMover(), job); err != nil {
		t.Fatal(err)
	}
	if got := read(t, job.folder()); got["a"] != "fresh" {
		t.Errorf("there are %q", got)
	}
}
