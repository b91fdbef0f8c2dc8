package delivery

import (
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzMendedNamesArePossible(f *testing.F) {
	for _, name := range []string{"a.bin", `<>:"|?*\`, "...", " ", "a\xff", strings.Repeat("日", 90) + ".mkv", "x." + strings.Repeat("y", 300), strings.Repeat("a", 39) + " b", ".haul-x"} {
		f.Add(name, 40, true, false)
		f.Add(name, 255, false, true)
	}
	f.Fuzz(func(t *testing.T, name string, limit int, strict, dir bool) {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || limit < 16 || limit > 1000 {
			t.Skip()
		}
		traits := Traits{Strict: strict, MaxName: limit}
		got, why := traits.mend(name, dir)
		if got == "" || len(got) > limit || (got == name) != (why == "") {
			t.Fatalf("%q became %q: %q", name, got, why)
		}
		if again, _ := traits.mend(got, dir); again != got {
			t.Errorf("%q became %q, and that %q", name, got, again)
		}
		if !strict {
			return
		}
		if !utf8.ValidString(got) || strings.ContainsFunc(got, isReserved) || strings.TrimRight(got, ". ") != got {
			t.Errorf("%q became %q", name, got)
		}
		if n := numbered(got, dir, 12, min(limit, maxName)); len(n) > limit || strings.TrimRight(n, ". ") != n {
			t.Errorf("the 12th of %q is %q", got, n)
		}
	})
}

func TestNamesThatAreNoTextAreDelivered(t *testing.T) {
	for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
		files := tree{"d\xff/e\xfe/a\xfd": "A", "b\xfc": "B"}
		job := newJob(t, files)
		job.Data = data
		tree{"d\xff/e\xfe/part": "P"}.write(t, job.Source)
		plan := mustPlan(t, job)
		if _, err := execute(newMover(), job, &plan); err != nil {
			t.Fatalf("%s: %v", use, err)
		}
		assertTree(t, job.folder(), files)
		if err := newMover().Retract(t.Context(), job, plan); err != nil {
			t.Fatalf("%s: %v", use, err)
		}
		assertTree(t, job.folder(), tree{})
		if _, err := os.Stat(job.Source + "/d\xff/e\xfe/a\xfd"); err != nil {
			t.Error(err)
		}
	}
}
