package delivery

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestFilesGoToTheirFolder(t *testing.T) {
	tests := []struct {
		name   string
		files  tree
		also   tree // in the job's directory, not listed
		before tree // at the destination
		after  tree
		paths  string
	}{
		{
			name: "one file", files: tree{"a.bin": "A"},
			after: tree{"a.bin": "A"}, paths: "a.bin",
		},
		{
			name: "a folder, with its inner structure", files: tree{"multi/disc 1/a.flac": "A", "multi/b.flac": "B"},
			after: tree{"multi/disc 1/a.flac": "A", "multi/b.flac": "B"}, paths: "multi/b.flac|multi/disc 1/a.flac",
		},
		{
			name: "control files stay behind", files: tree{"a.bin": "A"}, also: tree{"a.bin.aria2": "x", "0123.torrent": "y"},
			after: tree{"a.bin": "A"}, paths: "a.bin",
		},
		{
			name: "unlisted files of a listed folder do not come along", files: tree{"m/a": "A", "m/n/b": "B"},
			also:  tree{"m/skipped": "S", "m/n/part": "P", "m/o/c": "C"},
			after: tree{"m/a": "A", "m/n/b": "B"}, paths: "m/a|m/n/b",
		},
		{
			name: "a taken name gets a number before the extension", files: tree{"a.tar.gz": "A"},
			before: tree{"a.tar.gz": "old", "a.tar (1).gz": "older"},
			after:  tree{"a.tar.gz": "old", "a.tar (1).gz": "older", "a.tar (2).gz": "A"}, paths: "a.tar (2).gz",
		},
		{
			name: "a taken folder gets a number at its end", files: tree{"v1.2/a": "A"}, before: tree{"v1.2/a": "old"},
			after: tree{"v1.2/a": "old", "v1.2 (1)/a": "A"}, paths: "v1.2 (1)/a",
		},
		{
			name: "a file does not go into a folder of its name", files: tree{"x": "A"}, before: tree{"x/y": "old"},
			after: tree{"x/y": "old", "x (1)": "A"}, paths: "x (1)",
		},
		{
			name: "an empty file", files: tree{"empty": ""}, before: tree{"empty": ""},
			after: tree{"empty": "", "empty (1)": ""}, paths: "empty (1)",
		},
		{
			name: "a name like a temporary file's", files: tree{".haul-x.part": "A"},
			after: tree{"_.haul-x.part": "A"}, paths: "_.haul-x.part",
		},
		{
			name: "several entries", files: tree{"a": "A", "b/c": "C"},
			after: tree{"a": "A", "b/c": "C"}, paths: "a|b/c",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := newJob(t, tt.files)
			tt.also.write(t, job.Source)
			tt.before.write(t, job.folder())
			r, err := deliver(newMover(), job)
			if err != nil {
				t.Fatal(err)
			}
			if got := paths(r); got != tt.paths {
				t.Errorf("reported %q, want %q", got, tt.paths)
			}
			assertTree(t, job.folder(), tt.after)
		})
	}
}

func TestEmptyFilesThatNoDaemonMadeAreDelivered(t *testing.T) {
	job := newJob(t, tree{"m/a": "A"})
	job.Files = append(job.Files,
		downloader.File{Index: 1, Path: "m/disc 2/empty.nfo"}, downloader.File{Index: 2, Path: "other/empty"})
	if _, err := deliver(newMover(), job); err != nil {
		t.Fatal(err)
	}
	assertTree(t, job.folder(), tree{"m/a": "A", "m/disc 2/empty.nfo": "", "other/empty": ""})
}

func TestBadDataIsNotDelivered(t *testing.T) {
	file := func(path string, size int64) []downloader.File { return []downloader.File{{Path: path, Size: size}} }
	tests := []struct {
		name string
		make func(dir string) error
		list []downloader.File
		code errs.Code
	}{
		{"no list", nil, nil, errs.FilesMissing},
		{"a file that is not there", nil, file("b", 1), errs.FilesMissing},
		{"a file that is too short", nil, file("a", 2), errs.FilesMissing},
		{"a folder listed as a file", func(d string) error { return os.Mkdir(filepath.Join(d, "d"), 0o750) }, file("d", 0), errs.UnsafeFile},
		{"a link", func(d string) error { return os.Symlink("/etc/passwd", filepath.Join(d, "l")) }, file("l", 11), errs.UnsafeFile},
		{"a link among unlisted files", func(d string) error {
			tree{"m/x": "X"}.writeTo(d)
			return os.Symlink("/etc/passwd", filepath.Join(d, "m", "l"))
		}, file("m/x", 1), errs.UnsafeFile},
		{"a file below a link", func(d string) error { return os.Symlink("/etc", filepath.Join(d, "etc")) }, file("etc/hostname", 1), errs.UnsafeFile},
		{"a link that stays inside", func(d string) error {
			tree{"m/x": "X"}.writeTo(d)
			return os.Symlink("m", filepath.Join(d, "n"))
		}, file("n/x", 1), errs.UnsafeFile},
		{"a fifo", func(d string) error { return syscall.Mkfifo(filepath.Join(d, "p"), 0o600) }, file("p", 0), errs.UnsafeFile},
		{"a path with dots", nil, file("../a", 1), errs.UnsafeFile},
		{"an absolute path", nil, file("/etc/passwd", 1), errs.UnsafeFile},
		{"an empty path", nil, file("", 1), errs.UnsafeFile},
		{"the directory itself", nil, file(".", 1), errs.UnsafeFile},
		{"a zero byte", nil, file("a\x00b", 1), errs.UnsafeFile},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := newJob(t, tree{"a": "A"})
			job.Files = tt.list
			if tt.make != nil {
				if err := tt.make(job.Source); err != nil {
					t.Fatal(err)
				}
			}
			_, err := deliver(newMover(), job)
			if !errs.Is(err, tt.code) || errs.HintOf(err) == "" {
				t.Errorf("%v, want %s with a hint", err, tt.code)
			}
			if _, err := os.Stat(job.folder()); err == nil {
				t.Error("the destination was made")
			}
		})
	}
}

// writeTo makes the files where failing needs no message.
func (tr tree) writeTo(dir string) {
	for name, content := range tr {
		path := filepath.Join(dir, name)
		_ = os.MkdirAll(filepath.Dir(path), 0o750)
		_ = os.WriteFile(path, []byte(content), 0o600)
	}
}

func TestDestinationsThatDoNotWork(t *testing.T) {
	tests := []struct {
		name string
		path string
		make func(t *testing.T, root string)
		code errs.Code
	}{
		{"above the storage", "../x", nil, errs.InvalidDestination},
		{"above it in the middle", "a/../../x", nil, errs.InvalidDestination},
		{"a file in the way", "f/sub", func(t *testing.T, root string) { tree{"f": "F"}.write(t, root) }, errs.DestinationReadOnly},
		{"a file of that name", "f", func(t *testing.T, root string) { tree{"f": "F"}.write(t, root) }, errs.DestinationReadOnly},
		{"a link out of the storage", "out/x", func(t *testing.T, root string) {
			if err := os.Symlink(t.TempDir(), filepath.Join(root, "out")); err != nil {
				t.Fatal(err)
			}
		}, errs.InvalidDestination},
		{"a storage that is not there", "x", func(t *testing.T, root string) {
			if err := os.Remove(root); err != nil {
				t.Fatal(err)
			}
		}, errs.DestinationReadOnly},
		{"a folder's name that is too long", strings.Repeat("x", 300), nil, errs.InvalidDestination},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			job := newJob(t, tree{"a": "A"})
			job.Path = tt.path
			if tt.make != nil {
				tt.make(t, job.Root)
			}
			_, err := deliver(newMover(), job)
			if !errs.Is(err, tt.code) || errs.HintOf(err) == "" {
				t.Errorf("%v, want %s with a hint", err, tt.code)
			}
			assertTree(t, job.Source, tree{"a": "A"})
		})
	}
}

func TestAReadOnlyDestinationIsNamed(t *testing.T) {
	job := newJob(t, tree{"a": "A"})
	job.Root = tmpfs(t, "size=1m")
	if err := syscall.Mount("", job.Root, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{"", "new"} {
		job.Path = path
		if _, err := deliver(newMover(), job); !errs.Is(err, errs.DestinationReadOnly) {
			t.Errorf("into %q: %v", path, err)
		}
	}
	assertTree(t, job.Source, tree{"a": "A"})
}

func TestAFullDestinationLosesNothing(t *testing.T) {
	files := tree{"d/small": "S", "d/too big": strings.Repeat("B", 2<<20)}
	job := newJob(t, files)
	job.Root = tmpfs(t, "size=1m")
	m := newMover()
	plan, err := m.Plan(t.Context(), job)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := execute(m, job, &plan); !errs.Is(err, errs.OutOfSpace) {
		t.Fatalf("%v, want %s", err, errs.OutOfSpace)
	}
	assertTree(t, job.Source, files)
	assertTree(t, job.folder(), tree{})
	if err := syscall.Mount("", job.Root, "", syscall.MS_REMOUNT, "size=8m"); err != nil {
		t.Fatal(err)
	}
	if _, err := execute(m, job, &plan); err != nil {
		t.Fatal(err)
	}
	assertTree(t, job.folder(), files)
}

func TestOtherDevicesGetACopy(t *testing.T) {
	files := tree{"d/a": strings.Repeat("A", 1<<20), "d/e/b": "B", "c.bin": "C"}
	job := newJob(t, files)
	job.Root = otherDevice(t)
	tree{"c.bin": "old"}.write(t, job.folder())
	r, err := deliver(newMover(), job)
	if err != nil {
		t.Fatal(err)
	}
	if got := paths(r); got != "c (1).bin|d/a|d/e/b" {
		t.Error(got)
	}
	assertTree(t, job.folder(), tree{"c.bin": "old", "c (1).bin": "C", "d/a": files["d/a"], "d/e/b": "B"})
	info, err := os.Stat(filepath.Join(job.folder(), "d", "a"))
	if err != nil || info.Mode().Perm()&0o640 != 0o640 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestSeveralTasksGetTheSameData(t *testing.T) {
	for _, device := range []string{"same", "other"} {
		t.Run(device+" device", func(t *testing.T) {
			files := tree{"a": "A", "d/b": "B"}
			job := newJob(t, files)
			if device == "other" {
				job.Root = otherDevice(t)
			}
			m := newMover()
			for i, name := range []string{"one", "two", "three"} {
				job.Path, job.Task, job.Data = name, core.TaskID(name), DataLink
				if i == 2 {
					job.Data = DataMove
				}
				if _, err := deliver(m, job); err != nil {
					t.Fatal(err)
				}
				if job.Data == DataLink {
					assertTree(t, job.Source, files)
				}
			}
			for _, name := range []string{"one", "two", "three"} {
				assertTree(t, filepath.Join(job.Root, name), files)
			}
		})
	}
}

func TestManyTasksShareAFolder(t *testing.T) {
	root, m := t.TempDir(), newMover()
	const n = 40
	var wg sync.WaitGroup
	for i := range n {
		job := newJob(t, tree{"same.bin": fmt.Sprint(i)})
		job.Root, job.Task = root, core.TaskID(fmt.Sprint(i))
		wg.Go(func() {
			if _, err := deliver(m, job); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := read(t, filepath.Join(root, "home"))
	seen := map[string]bool{}
	for _, content := range got {
		seen[content] = true
	}
	if len(got) != n || len(seen) != n {
		t.Errorf("%d files with %d contents, want %d", len(got), len(seen), n)
	}
}

func TestSecretModesDoNotCome(t *testing.T) {
	job := newJob(t, tree{"run": "#!"})
	if err := os.Chmod(filepath.Join(job.Source, "run"), os.ModeSetuid|0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := deliver(newMover(), job); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(job.folder(), "run"))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o740 {
		t.Errorf("mode %v, want 0740", info.Mode())
	}
}

func TestNumbersFitIntoNames(t *testing.T) {
	long := strings.Repeat("ä", 125) // 250 bytes
	tests := []struct {
		name string
		dir  bool
		n    int
		want string
	}{
		{"a.bin", false, 1, "a (1).bin"},
		{"a", false, 2, "a (2)"},
		{".profile", false, 1, ".profile (1)"},
		{"a.b", true, 1, "a.b (1)"},
		{long + ".mkv", false, 1, strings.Repeat("ä", 123) + " (1).mkv"},
		{strings.Repeat("日", 85), false, 10, strings.Repeat("日", 83) + " (10)"},
		{"x." + strings.Repeat("y", 250), false, 1, "x." + strings.Repeat("y", 249) + " (1)"},
	}
	for _, tt := range tests {
		got := numbered(tt.name, tt.dir, tt.n, maxName)
		if got != tt.want || len(got) > maxName {
			t.Errorf("%d of %q is %q (%d bytes), want %q", tt.n, tt.name, got, len(got), tt.want)
		}
	}
}
