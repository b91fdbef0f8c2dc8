package crash

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

// binaries are what is under test.
type binaries struct{ haul, plugins string }

// buildAll builds haul with failpoints, and the plugins. That of storages has
// what the tests of its module compile, too.
func buildAll(t *testing.T) binaries {
	t.Helper()
	dir := t.TempDir()
	b := binaries{haul: filepath.Join(dir, "haul"), plugins: filepath.Join(dir, "plugins")}
	goBuild(t, b.haul, "core/cmd/haul", "-tags=failpoint")
	for _, name := range []string{"aria2", "qbittorrent", "transmission"} {
		goBuild(t, filepath.Join(b.plugins, "haul-downloader-"+name), "plugins/"+name)
	}
	cmd := exec.Command("go", "build", "-o", filepath.Join(b.plugins, "haul-storage-rclone"), ".")
	cmd.Dir = "../../storages/rclone"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath -tags=few")
	run(t, cmd)
	return b
}

func goBuild(t *testing.T, out, dir string, args ...string) {
	t.Helper()
	args = append(append([]string{"build", "-o", out}, args...), "github.com/haul-dl/haul/"+dir)
	run(t, exec.Command("go", args...))
}

func run(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v in %q: %v\n%s", cmd.Args, cmd.Dir, err, msg)
	}
}

var (
	hitCall   = regexp.MustCompile(`failpoint\.Hit\("([^"]+)"\)`)
	hitOfCall = regexp.MustCompile(`failpoint\.HitOf\("([^"]+)", `)
)

// failpoints returns the names of all failpoints in core, as HAUL_FAILPOINT
// takes them.
func failpoints(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("../../core", func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || filepath.Ext(path) != ".go" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range hitCall.FindAllSubmatch(src, -1) {
			out = append(out, string(m[1]))
		}
		for _, m := range hitOfCall.FindAllSubmatch(src, -1) {
			out = append(out, fmt.Sprintf("%s.*", m[1]))
		}
		return nil
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("found %d failpoints: %v", len(out), err)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
