package delivery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
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

// scene is one way to deliver the same files into the same folder.
type scene struct {
	name        string
	names       namer
	data        DataUse
	policy      core.ConflictPolicy
	otherDevice bool
	verify      bool
	points      []string // which must have been met
}

var (
	sceneFiles = tree{"a.bin": "A", "d/b": "B", "d/e/c": strings.Repeat("C", 10_000), "n/f/g": "G", "z": ""}
	// sceneBefore is at the destination before, but for the policy to fail.
	sceneBefore = tree{"a.bin": "old", "d/b": "old", "other": "old"}
	// sceneAfter is there afterwards.
	sceneAfter = map[core.ConflictPolicy]tree{
		core.ConflictRename: {
			"a (1).bin": "A", "d (1)/b": "B", "d (1)/e/c": sceneFiles["d/e/c"], "n/f/g": "G", "z": "",
			"a.bin": "old", "d/b": "old", "other": "old",
		},
		core.ConflictSkip: {"a.bin": "old", "d/b": "old", "d/e/c": sceneFiles["d/e/c"], "n/f/g": "G", "z": "", "other": "old"},
		core.ConflictOverwrite: {
			"a.bin": "A", "d/b": "B", "d/e/c": sceneFiles["d/e/c"], "n/f/g": "G", "z": "", "other": "old",
		},
		core.ConflictFail: {
			"a.bin": "A", "d/b": "B", "d/e/c": sceneFiles["d/e/c"], "n/f/g": "G", "z": "", "other": "old",
		},
	}
)

// before is what is at the destination of a scene.
func (s scene) before() tree {
	if s.policy == core.ConflictFail {
		return tree{"other": "old"}
	}
	return sceneBefore
}

// scenes are all uses of the data, with all policies, on one and on two file
// systems, and some with file systems that can do less.
func scenes() []scene {
	all := []scene{
		{name: "link and unlink", names: oldNames{links: true}, points: []string{"linked", "claimed", "claim stored"}},
		{name: "claim", names: oldNames{}, points: []string{"claim stored", "claimed", "renamed"}},
		{name: "copy, then claim", names: oldNames{}, otherDevice: true, points: []string{"copied", "copy stored", "claimed"}},
		{name: "no links", names: noLinks{}, data: DataLink, points: []string{"copied", "copy stored"}},
		{name: "verified copy", names: systemNames{}, otherDevice: true, verify: true, points: []string{"copy verified"}},
	}
	for use, data := range map[string]DataUse{"move": DataMove, "link": DataLink, "copy": DataCopy} {
		for _, policy := range core.ConflictPolicies {
			for _, other := range []bool{false, true} {
				s := scene{name: fmt.Sprintf("%s, %s, other device %t", use, policy, other), names: systemNames{}, data: data, policy: policy, otherDevice: other}
				switch {
				case other || data == DataCopy:
					s.points = []string{"copied", "copy stored", "renamed", "folder synced", "piece copied", "checkpoint stored"}
				case data == DataMove:
					s.points = []string{"data flushed", "renamed", "folder synced"}
				}
				all = append(all, s)
			}
		}
	}
	for i := range all {
		if all[i].policy == "" {
			all[i].policy = core.ConflictRename
		}
	}
	return all
}

// each runs fn for each scene and each of its failpoints.
func eachCrash(t *testing.T, fn func(t *testing.T, s scene, job Job, n int) (point string)) {
	for _, s := range scenes() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			source := memory(t)
			root := source
			if s.otherDevice {
				root = otherDevice(t)
			}
			met := map[string]bool{}
			for n := 1; ; n++ {
				job := newJobIn(t, filepath.Join(source, "jobs", fmt.Sprint(n)), sceneFiles)
				job.Root, job.Path = root, fmt.Sprintf("%d/home", n)
				job.Data, job.OnConflict, job.Verify = s.data, s.policy, s.verify
				s.before().write(t, job.folder())
				point := fn(t, s, job, n)
				if t.Failed() {
					t.Fatalf("after the crash at %d: %s", n, point)
				}
				if point == "" {
					break
				}
				met[point] = true
			}
			for _, p := range s.points {
				if !met[p] {
					t.Errorf("never met %q", p)
				}
			}
		})
	}
}

// TestACrashAnywhereDeliversOnce crashes at each step of each way to deliver,
// starts again from what was stored, and looks for a file that is missing,
// there twice, left over, or lost.
func TestACrashAnywhereDeliversOnce(t *testing.T) {
	eachCrash(t, func(t *testing.T, s scene, job Job, n int) string {
		point := crashAndGoOn(t, job, n, s.names, func() {})
		assertTree(t, job.folder(), sceneAfter[s.policy])
		if s.data != DataMove {
			assertTree(t, job.Source, sceneFiles)
		}
		if s.data == DataCopy {
			assertAlone(t, job.Source)
		}
		return point
	})
}

// TestACrashedDeliveryIsTakenBack crashes at each step, and retracts the
// delivery: nothing is at the destination then that was not before.
func TestACrashedDeliveryIsTakenBack(t *testing.T) {
	eachCrash(t, func(t *testing.T, s scene, job Job, n int) string {
		plan := mustPlan(t, job)
		point := crashAt(n, func(o Option) {
			if _, err := execute(newMover(o, withNamer(s.names), small), job, &plan); err != nil {
				t.Fatal(err)
			}
		})
		if point == "" {
			return ""
		}
		for again := 1; ; again++ {
			stopped := crashAt(again, func(o Option) {
				if err := newMover(o, withNamer(s.names)).Retract(t.Context(), job, plan); err != nil {
					t.Fatal(err)
				}
			})
			if stopped == "" {
				break
			}
		}
		assertTree(t, job.Source, sceneFiles)
		want := s.before()
		if s.policy == core.ConflictOverwrite {
			want = keepNames(want, read(t, job.folder()))
		}
		assertTree(t, job.folder(), want)
		return point
	})
}

// keepNames returns what of a tree may be left where files were replaced.
func keepNames(want, got tree) tree {
	out := tree{"other": "old"}
	for name, content := range got {
		if content == want[name] {
			out[name] = content
		}
	}
	return out
}

// assertAlone fails where a file of the job shares its inode with another name.
func assertAlone(t *testing.T, dir string) {
	t.Helper()
	for name := range sceneFiles {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || names(info) != 1 {
			t.Errorf("%s has another name: %v", name, err)
		}
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

// small makes copies in pieces of a few bytes.
var small = withPieces(1000, 3000)

// crashAndGoOn delivers, crashes at the n-th point, and delivers again.
func crashAndGoOn(t *testing.T, job Job, n int, names namer, between func()) string {
	t.Helper()
	plan := mustPlan(t, job)
	point := crashAt(n, func(o Option) {
		if _, err := execute(newMover(o, withNamer(names), small), job, &plan); err != nil {
			t.Fatal(err)
		}
	})
	if point != "" {
		between()
	}
	if _, err := execute(newMover(withNamer(names), small), job, &plan); err != nil {
		t.Fatalf("after the crash at %d, %s: %v", n, point, err)
	}
	return point
}

func mustPlan(t *testing.T, job Job) Plan {
	t.Helper()
	plan, err := newMover().Plan(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}
