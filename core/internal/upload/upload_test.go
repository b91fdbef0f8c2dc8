package upload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

func TestNamesThatAreTaken(t *testing.T) {
	files := tree{"a.bin": "A", "d/b": "B", "d/e/c": "C", "empty": ""}
	tests := []struct {
		name   string
		policy core.ConflictPolicy
		there  tree
		want   tree // beside there
		paths  string
		code   errs.Code
	}{
		{
			name: "nothing is there", want: tree{"home/a.bin": "A", "home/d/b": "B", "home/d/e/c": "C", "home/empty": ""},
			paths: "a.bin|d/b|d/e/c|empty",
		},
		{
			name: "rename gives top-level names a number", there: tree{"home/a.bin": "old", "home/d/b": "old"},
			want:  tree{"home/a (1).bin": "A", "home/d (1)/b": "B", "home/d (1)/e/c": "C", "home/empty": ""},
			paths: "a (1).bin|d (1)/b|d (1)/e/c|empty",
		},
		{
			name: "skip leaves single files and delivers the rest", policy: core.ConflictSkip, there: tree{"home/a.bin": "old", "home/d/b": "old"},
			want:  tree{"home/d/e/c": "C", "home/empty": ""},
			paths: "-a.bin|-d/b|d/e/c|empty",
		},
		{
			name: "skip delivers nothing into what is a file", policy: core.ConflictSkip, there: tree{"home/d": "old"},
			want:  tree{"home/a.bin": "A", "home/empty": ""},
			paths: "a.bin|-d/b|-d/e/c|empty",
		},
		{
			name: "overwrite replaces files and merges folders", policy: core.ConflictOverwrite,
			there: tree{"home/a.bin": "old", "home/d/b": "older", "home/d/other": "x"},
			want:  tree{"home/a.bin": "A", "home/d/b": "B", "home/d/e/c": "C", "home/empty": ""},
			paths: "a.bin|d/b|d/e/c|empty",
		},
		{
			name: "overwrite does not replace a folder by a file", policy: core.ConflictOverwrite,
			there: tree{"home/a.bin/x": "old"}, code: errs.DestinationExists,
		},
		{name: "fail fails", policy: core.ConflictFail, there: tree{"home/d/x": "old"}, code: errs.DestinationExists},
		{name: "a file in place of the destination", there: tree{"home": "file"}, code: errs.DestinationReadOnly},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(tt.there)
			job := newJob(t, m, files)
			job.OnConflict = tt.policy
			r, err := deliver(t.Context(), newUploader(), job)
			if errs.CodeOf(err) != tt.code || paths(r) != tt.paths {
				t.Fatalf("got %s, %v; want %s, %s", paths(r), err, tt.paths, tt.code)
			}
			want := tree{}
			for _, files := range []tree{tt.there, tt.want} {
				for name, content := range files {
					want[name] = content
				}
			}
			assertHas(t, m, want)
		})
	}
}

func TestCheckTellsOfConflictsBeforeAnythingIsLoaded(t *testing.T) {
	m := newMemory(tree{"home/d/b": "old"})
	job := newJob(t, m, tree{"a": "A", "d/b": "B"})
	job.Source = ""
	u := newUploader()
	if err := u.Check(t.Context(), job); err != nil {
		t.Error("rename:", err)
	}
	job.OnConflict = core.ConflictFail
	if err := u.Check(t.Context(), job); !errs.Is(err, errs.DestinationExists) || !strings.Contains(err.Error(), `"d"`) {
		t.Error("fail:", err)
	}
	job.Path = "home/../../etc"
	if err := u.Check(t.Context(), job); !errs.Is(err, errs.InvalidDestination) {
		t.Error("outside:", err)
	}
}

func TestHostileNamesAndFiles(t *testing.T) {
	tests := []struct {
		name string
		path string
		make func(t *testing.T, job *delivery.Job)
		code errs.Code
	}{
		{name: "leads outside", path: "../x", code: errs.UnsafeFile},
		{name: "absolute", path: "/etc/passwd", code: errs.UnsafeFile},
		{name: "is a link", path: "x", code: errs.UnsafeFile, make: func(t *testing.T, job *delivery.Job) {
			link(t, "/etc/passwd", filepath.Join(job.Source, "x"))
		}},
		{name: "lies behind a link", path: "d/x", code: errs.UnsafeFile, make: func(t *testing.T, job *delivery.Job) {
			write(t, *job, "e/x", "x")
			link(t, "e", filepath.Join(job.Source, "d"))
		}},
		{name: "is not there", path: "x", code: errs.FilesMissing},
		{name: "has another size", path: "x", code: errs.FilesMissing, make: func(t *testing.T, job *delivery.Job) {
			write(t, *job, "x", "xx")
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(nil)
			job := newJob(t, m, tree{"x": "x"})
			job.Files[0].Path = tt.path
			if err := os.Remove(filepath.Join(job.Source, "x")); err != nil {
				t.Fatal(err)
			}
			if tt.make != nil {
				tt.make(t, &job)
			}
			if _, err := deliver(t.Context(), newUploader(), job); !errs.Is(err, tt.code) {
				t.Errorf("got %v, want %s", err, tt.code)
			}
			assertHas(t, m, tree{})
		})
	}
}

func link(t *testing.T, to, name string) {
	t.Helper()
	if err := os.Symlink(to, name); err != nil {
		t.Fatal(err)
	}
}

func TestALinkThatTakesAFilesPlaceIsNotFollowed(t *testing.T) {
	m := newMemory(nil)
	job := newJob(t, m, tree{"x": "x"})
	u := newUploader()
	plan, err := u.Plan(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	write(t, job, "y", "y")
	name := filepath.Join(job.Source, "x")
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	link(t, "y", name)
	if _, err := execute(t.Context(), u, job, &plan); !errs.Is(err, errs.UnsafeFile) {
		t.Errorf("got %v", err)
	}
	assertHas(t, m, tree{})
}

func TestNamesThatTheStorageRefuses(t *testing.T) {
	long := strings.Repeat("ü", 100)
	tests := []struct {
		name    string
		refuses func(string) bool
		files   tree
		want    tree
		policy  core.ConflictPolicy
		code    errs.Code
	}{
		{
			name: "characters of a file", refuses: windows, files: tree{"d/a?.bin": "A", "d/b": "B"},
			want: tree{"home/d/a_.bin": "A", "home/d/b": "B"},
		},
		{
			name: "characters of a folder", refuses: windows, files: tree{"d: x/a": "A", "d: x/b?": "B", "d: x/e/c": "C"},
			want: tree{"home/d_ x/a": "A", "home/d_ x/b_": "B", "home/d_ x/e/c": "C"},
		},
		{
			name: "two names that become one", refuses: windows, files: tree{"a:": "A", "a?": "B", "a_": "C"},
			want: tree{"home/a_ (1)": "A", "home/a_ (2)": "B", "home/a_": "C"},
		},
		{
			name: "reserved names and ends", refuses: windows, files: tree{"con.txt": "A", "dot.": "B"},
			want: tree{"home/_con.txt": "A", "home/dot_": "B"},
		},
		{
			name: "length", refuses: func(p string) bool { return len(filepath.Base(p)) > 120 }, files: tree{long + ".bin": "A"},
			want: tree{"home/" + strings.Repeat("ü", 57) + ".bin": "A"},
		},
		{
			name: "everything", refuses: func(p string) bool { return strings.Contains(p, "x") }, files: tree{"x": "A", "y": "B"},
			want: tree{"home/y": "B"}, code: errs.NameNotPossible,
		},
		{
			name: "another policy than rename", refuses: windows, files: tree{"a?": "A", "y": "B"}, policy: core.ConflictFail,
			want: tree{"home/y": "B"}, code: errs.NameNotPossible,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(nil)
			m.refuses = tt.refuses
			job := newJob(t, m, tt.files)
			job.OnConflict = tt.policy
			r, err := deliver(t.Context(), newUploader(), job)
			if errs.CodeOf(err) != tt.code {
				t.Fatal(err)
			}
			assertHas(t, m, tt.want)
			for _, f := range r.Files {
				if _, ok := tt.want["home/"+f.Path]; !ok {
					t.Errorf("the result names %q", f.Path)
				}
			}
		})
	}
}

// windows refuses what a share of Windows does.
func windows(name string) bool {
	base := filepath.Base(name)
	stem, _, _ := strings.Cut(base, ".")
	return strings.ContainsAny(name, `<>:"|?*\`) || strings.HasSuffix(base, ".") || strings.EqualFold(stem, "con")
}

// TestNamesThatDifferInCaseOnly are one name to some storages, also when what is
// there is looked at again.
func TestNamesThatDifferInCaseOnly(t *testing.T) {
	for _, resumed := range []bool{false, true} {
		m := newMemory(nil)
		m.caseless = true
		job := newJob(t, m, tree{"d/A": "1", "d/a": "2"})
		u := newUploader()
		plan, err := u.Plan(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		plan.Begun = resumed
		if resumed {
			m.store("home/d/A", "1", time.Unix(1, 0))
		}
		if _, err := execute(t.Context(), u, job, &plan); err != nil {
			t.Fatal(err)
		}
		if got := m.has(); len(got) != 2 || got["home/d/A"]+got["home/d/a (1)"] != "12" && got["home/d/a"]+got["home/d/A (1)"] != "21" {
			t.Errorf("resumed %v: the storage has %q", resumed, got)
		}
	}
}

func TestFilesGoUpAFewAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := tree{}
		for i := range 20 {
			files[fmt.Sprintf("d/%02d", i)] = "x"
		}
		m := newMemory(nil)
		m.before = func(ctx context.Context, op, _ string) error {
			if op == "put" {
				time.Sleep(time.Second) // each file takes a second
			}
			return ctx.Err()
		}
		u := newUploader()
		start := time.Now()
		var wg sync.WaitGroup
		var waits []string
		for i := range 3 {
			job := newJob(t, m, files)
			job.Path = fmt.Sprint(i)
			wg.Go(func() {
				plan, err := u.Plan(t.Context(), job)
				if err != nil {
					t.Error(err)
				}
				hooks := delivery.Hooks{Save: func(context.Context, delivery.Plan) error { return nil }}
				if i == 0 {
					hooks.Waiting = func(w bool) { waits = append(waits, fmt.Sprint(w)) }
				}
				if _, err := u.Execute(t.Context(), job, plan, hooks); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(start); took != 60*time.Second/overAll+500*time.Millisecond {
			t.Errorf("60 files of a second each took %s", took)
		}
		if len(waits)%2 != 0 {
			t.Errorf("it still says that it waits: %v", waits)
		}
	})
}

func TestProgressAndSavesOfALargeDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		files := tree{}
		for i := range 1000 {
			files[fmt.Sprintf("d/%04d", i)] = "xyz"
		}
		job := newJob(t, newMemory(nil), files)
		u := newUploader()
		plan, err := u.Plan(t.Context(), job)
		if err != nil {
			t.Fatal(err)
		}
		var bytes int64
		saves, count := 0, 0
		hooks := delivery.Hooks{
			Save: func(_ context.Context, p delivery.Plan) error { saves++; plan = p; return nil },
			Progress: func(done int64, files int) {
				if done < bytes || files < count {
					t.Errorf("progress goes back from %d to %d", bytes, done)
				}
				bytes, count = done, files
			},
		}
		r, err := u.Execute(t.Context(), job, plan, hooks)
		if err != nil || len(r.Files) != 1000 || r.Method != delivery.MethodUpload {
			t.Fatal(len(r.Files), err)
		}
		if bytes != 3000 || count != 1000 || saves > 12 {
			t.Errorf("%d bytes, %d files, %d saves", bytes, count, saves)
		}
		for _, up := range plan.Uploads {
			if !up.Done {
				t.Fatalf("%s is not stored as done", up.Name)
			}
		}
	})
}

// slow is a storage as most are: it looks whether a name is free when a file
// comes, and no more when it is there.
type slow struct{ *memory }

func (s *slow) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	if _, err := s.Stat(ctx, req.Path); err == nil && !req.Overwrite {
		return storage.Object{}, errs.New(errs.DestinationExists, "")
	}
	time.Sleep(time.Second)
	req.Overwrite = true
	return s.memory.Put(ctx, req)
}

func TestTwoTasksThatSendTheSameNameAtOnceGetBothFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(nil)
		u := newUploader()
		jobs := []delivery.Job{newJob(t, m, tree{"a": "one"}), newJob(t, m, tree{"a": "two"})}
		plans := make([]delivery.Plan, len(jobs))
		for i := range jobs {
			jobs[i].Remote = &slow{m}
			var err error
			if plans[i], err = u.Plan(t.Context(), jobs[i]); err != nil {
				t.Fatal(err)
			}
		}
		var done sync.WaitGroup
		for i := range jobs {
			done.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				if _, err := execute(t.Context(), u, jobs[i], &plans[i]); err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		assertHas(t, m, tree{"home/a": "one", "home/a (1)": "two"})
	})
}
