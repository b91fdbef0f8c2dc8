package delivery

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// destinationOf makes a mover that takes the destination for one with t.
func destinationOf(t Traits) *Mover {
	return newMover(withProber(func(*os.Root, string, doubts) (Traits, error) { return t, nil }))
}

func TestNamesBecomePossible(t *testing.T) {
	long := strings.Repeat("日", 60) // 180 bytes
	windows, caseless := Traits{Strict: true}, Traits{Caseless: true, Formless: true}
	tests := []struct {
		name   string
		traits Traits
		files  tree
		after  tree
		why    string // a part of it
	}{
		{
			"reserved characters", windows,
			tree{`what? 1:2.mkv`: "A", `d*/a|b`: "B", "d*/c": "C"},
			tree{"what_ 1_2.mkv": "A", "d_/a_b": "B", "d_/c": "C"},
			"each became _",
		},
		{"dots and spaces at the end", windows, tree{"a.": "A", "d /b. .": "B"}, tree{"a_": "A", "d_/b_": "B"}, "each became _"},
		{"bytes that are no text", windows, tree{"a\xff.bin": "A"}, tree{"a_.bin": "A"}, "each became _"},
		{"names that become the same", windows, tree{"a?": "A", "a*": "B", "a_": "C"}, tree{"a_": "B", "a_ (1)": "A", "a_ (2)": "C"}, "each became _"},
		{
			"long names keep their extension",
			Traits{MaxName: 100},
			tree{"d/" + long + ".mkv": "A", long: "B"},
			tree{"d/" + strings.Repeat("日", 32) + ".mkv": "A", strings.Repeat("日", 33): "B"},
			"were shortened",
		},
		{"long names that become the same", Traits{MaxName: 20}, tree{strings.Repeat("a", 30): "A", strings.Repeat("a", 31): "B"}, tree{strings.Repeat("a", 20): "A", strings.Repeat("a", 16) + " (1)": "B"}, "were shortened"},
		{"case alone", caseless, tree{"Read.me": "A", "read.me": "B"}, tree{"Read.me": "A", "read (1).me": "B"}, ""},
		{"case alone, in a folder", caseless, tree{"d/A": "A", "d/a": "B", "d/b": "C"}, tree{"d/A": "A", "d/a (1)": "B", "d/b": "C"}, ""},
		{"folders that differ in case", caseless, tree{"d/E/x": "A", "d/e/y": "B", "d/e/X": "C"}, tree{"d/E/x": "A", "d/E/y": "B", "d/E/X (1)": "C"}, ""},
		{"a folder and a file", caseless, tree{"d/E/x": "A", "d/e": "B"}, tree{"d/E/x": "A", "d/e (1)": "B"}, ""},
		{"spellings of one name", caseless, tree{"caf\u00e9": "A", "cafe\u0301": "B"}, tree{"cafe\u0301": "B", "caf\u00e9 (1)": "A"}, ""},
		{"nothing to mend", windows, tree{"a b.c": "A", "d/e": "B"}, tree{"a b.c": "A", "d/e": "B"}, ""},
	}
	for _, tt := range tests {
		for use, data := range map[string]DataUse{"move": DataMove, "copy": DataCopy} {
			t.Run(tt.name+", "+use, func(t *testing.T) {
				job := newJob(t, tt.files)
				job.Data = data
				r, err := deliver(destinationOf(tt.traits), job)
				if err != nil {
					t.Fatal(err)
				}
				assertTree(t, job.folder(), tt.after)
				for _, f := range r.Files {
					if tt.after[f.Path] != tt.files[job.Files[f.Index].Path] {
						t.Errorf("%s is reported as %s", job.Files[f.Index].Path, f.Path)
					}
				}
				mended := strings.Contains(r.Why, "each became") || strings.Contains(r.Why, "shortened")
				if mended != (tt.why != "") || !strings.Contains(r.Why, tt.why) {
					t.Errorf("why: %q", r.Why)
				}
			})
		}
	}
}

func TestNamesAreNotMendedWhereThePolicyIsAnother(t *testing.T) {
	for _, policy := range []core.ConflictPolicy{core.ConflictSkip, core.ConflictOverwrite, core.ConflictFail} {
		tests := []struct {
			traits    Traits
			delivered string
		}{
			{Traits{Strict: true}, "A|a|d/a|d/b|longname"},
			{Traits{MaxName: 5}, "A|a|d/a|d/b|d/x?"},
			{Traits{Caseless: true}, "A|d/a|d/b|d/x?|longname"},
		}
		for _, tt := range tests {
			job := newJob(t, tree{"A": "1", "d/a": "2", "d/b": "3", "d/x?": "4", "longname": "5", "a": "6"})
			job.OnConflict = policy
			r, err := deliver(destinationOf(tt.traits), job)
			if !errs.Is(err, errs.NameNotPossible) || errs.HintOf(err) == "" {
				t.Errorf("%s: %v", policy, err)
			}
			for _, f := range r.Failed {
				if !errs.Is(f.Err, errs.NameNotPossible) {
					t.Error(f)
				}
			}
			if got := paths(r); got != tt.delivered {
				t.Errorf("%s, %+v: delivered %s, want %s", policy, tt.traits, got, tt.delivered)
			}
		}
	}
}

func TestATryTellsWhatNamesAFolderTakes(t *testing.T) {
	dir := t.TempDir()
	folder, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	files := tree{"A": "", "a": "", "e\u0301": "", "\u00e9": "", `x<>:"|?*\`: "", "\xff": "", "end.": "", "end ": ""}.files()
	d := doubtsOf(files)
	if !d.same || !strings.ContainsAny(d.marks, reserved) || !strings.HasSuffix(d.marks, ".") {
		t.Errorf("%+v", d)
	}
	got, err := probeNames(folder, ".haul-probe-x", d)
	if err != nil || got.Caseless || got.Formless || got.Strict || got.MaxName < 255 {
		t.Errorf("%+v %v: this is a file system of Unix", got, err)
	}
	if left := read(t, dir); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
	if d := doubtsOf(tree{"a": "", "b/c d.e": "", "B/c": ""}.files()); d.marks != "" || !d.same {
		t.Errorf("%+v", d)
	}
	if d := doubtsOf(tree{"a": "", "b/c d.e": "", "b/a": ""}.files()); d != (doubts{}) {
		t.Errorf("usual names raise doubts: %+v", d)
	}
}

func TestADestinationThatIsNotThereYetIsTriedAboveIt(t *testing.T) {
	job := newJob(t, tree{"what?": "A"})
	job.Path = "home/new/folder"
	if err := os.Mkdir(filepath.Join(job.Root, "home"), 0o755); err != nil {
		t.Fatal(err)
	}
	plan := mustPlan(t, job)
	if left := read(t, job.Root); len(left) != 1 || plan.Traits.MaxName == 0 {
		t.Errorf("left: %v, traits: %+v", left, plan.Traits)
	}
}
