package delivery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// crash is what a failpoint panics with.
type crash struct{ point string }

// crashAt runs fn until the n-th failpoint, and returns its name, or "" when
// there are fewer.
func crashAt(n int, fn func(Option)) (point string) {
	defer func() {
		if r := recover(); r != nil {
			c, ok := r.(crash)
			if !ok {
				panic(r)
			}
			point = c.point
		}
	}()
	count := 0
	fn(WithFailpoint(func(point string) {
		if count++; count == n {
			panic(crash{point})
		}
	}))
	return ""
}

// TestACrashAnywhereDeliversOnce crashes at each step of each way to deliver,
// starts again from what was stored, and looks for a file that is missing,
// there twice, or left over.
func TestACrashAnywhereDeliversOnce(t *testing.T) {
	tests := []struct {
		name        string
		names       namer
		otherDevice bool
		keep        bool
		points      []string // which must have been met
	}{
		{name: "rename", names: systemNames{}, points: []string{"data flushed", "renamed", "folder synced"}},
		{name: "link and unlink", names: oldNames{links: true}, points: []string{"linked", "claimed", "claim stored"}},
		{name: "claim", names: oldNames{}, points: []string{"claim stored", "claimed", "renamed"}},
		{name: "copy", names: systemNames{}, otherDevice: true, points: []string{"copied", "copy stored", "renamed"}},
		{name: "copy, then claim", names: oldNames{}, otherDevice: true, points: []string{"copied", "copy stored", "claimed"}},
		{name: "keep", names: systemNames{}, keep: true, points: []string{"linked", "copied"}},
	}
	files := tree{"a.bin": "A", "d/b": "B", "d/e/c": "C", "z": ""}
	want := tree{"a (1).bin": "A", "d (1)/b": "B", "d (1)/e/c": "C", "z": "", "a.bin": "old", "d/b": "old"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			if tt.otherDevice {
				root = otherDevice(t)
			}
			met := map[string]bool{}
			for n := 1; ; n++ {
				job := newJob(t, files)
				job.Root, job.Path = root, fmt.Sprintf("%d/home", n)
				if tt.keep {
					job.Data = DataLink
				}
				tree{"a.bin": "old", "d/b": "old"}.write(t, job.folder())
				point := crashAndGoOn(t, job, n, tt.names, func() {})
				assertTree(t, job.folder(), want)
				if tt.keep {
					assertTree(t, job.Source, files)
				}
				if point == "" {
					break
				}
				if t.Failed() {
					t.Fatalf("after the crash at %d: %s", n, point)
				}
				met[point] = true
			}
			for _, p := range tt.points {
				if !met[p] {
					t.Errorf("never met %q", p)
				}
			}
		})
	}
}

// TestANameTakenAfterACrashIsNotReplaced lets somebody else take the planned
// names while the node is down.
func TestANameTakenAfterACrashIsNotReplaced(t *testing.T) {
	files := tree{"a.bin": "A", "d/b": "B"}
	for _, device := range []string{"same", "other"} {
		t.Run(device+" device", func(t *testing.T) {
			root := t.TempDir()
			if device == "other" {
				root = otherDevice(t)
			}
			for n := 1; ; n++ {
				job := newJob(t, files)
				job.Root, job.Path = root, fmt.Sprint(n)
				taken := tree{}
				point := crashAndGoOn(t, job, n, systemNames{}, func() {
					for name, content := range map[string]string{"a.bin": "theirs", "d/theirs": "theirs"} {
						if top, _, _ := strings.Cut(name, "/"); exists(job.folder(), top) {
							continue
						}
						tree{name: content}.write(t, job.folder())
						taken[name] = content
					}
				})
				got := read(t, job.folder())
				ours := 0
				for name, content := range got {
					if strings.HasPrefix(filepath.Base(name), ".haul-") {
						t.Errorf("left over: %s", name)
					}
					if content == "A" || content == "B" {
						ours++
					}
				}
				for name, content := range taken {
					if got[name] != content {
						t.Errorf("%s was replaced", name)
					}
				}
				if ours != 2 || len(got) != 2+len(taken) {
					t.Fatalf("after the crash at %d, %s: %v, taken %v", n, point, got, taken)
				}
				if point == "" {
					return
				}
			}
		})
	}
}

func exists(dir, name string) bool {
	_, err := os.Lstat(filepath.Join(dir, name))
	return err == nil
}

// crashAndGoOn delivers, crashes at the n-th point, and delivers again.
func crashAndGoOn(t *testing.T, job Job, n int, names namer, between func()) string {
	t.Helper()
	plan, err := newMover().Plan(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	point := crashAt(n, func(o Option) {
		if _, err := execute(newMover(o, withNamer(names)), job, &plan); err != nil {
			t.Fatal(err)
		}
	})
	if point != "" {
		between()
	}
	if _, err := execute(newMover(withNamer(names)), job, &plan); err != nil {
		t.Fatalf("after the crash at %d, %s: %v", n, point, err)
	}
	return point
}
