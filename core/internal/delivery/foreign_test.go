package delivery

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/haul-dl/haul/core"
)

// foreignEnv tells a process of another user which job's directory to deliver.
const foreignEnv = "HAUL_TEST_FOREIGN_JOB"

// TestFilesOfAnotherUser delivers, as an ordinary user, what another one owns:
// renaming their folder is refused, and so are hard links where the system
// protects them (fs.protected_hardlinks).
func TestFilesOfAnotherUser(t *testing.T) {
	files := tree{"d/a": "A", "d/b": "B"}
	if dir := os.Getenv(foreignEnv); dir != "" {
		job := Job{Task: task, Source: filepath.Join(dir, "job"), Root: filepath.Join(dir, "storage"), Path: "home", Files: files.files()}
		for _, use := range []DataUse{DataLink, DataMove} {
			job.Data, job.Task = use, core.TaskID(rune('a'+use))
			r := mustDeliver(t, job)
			t.Logf("%s: %s", r.Method, r.Why)
		}
		return
	}
	setting, err := os.ReadFile("/proc/sys/fs/protected_hardlinks")
	if os.Geteuid() != 0 || err != nil || strings.TrimSpace(string(setting)) != "1" {
		t.Skip("needs root, and a system that protects hard links")
	}
	dir, err := os.MkdirTemp("", "haul-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	files.write(t, filepath.Join(dir, "job"))
	program := filepath.Join(dir, "test")
	script := `chmod -R a+rX "$1" && mkdir "$1/storage" && chown 12345 "$1/storage" && cp "$2" "$1/test"`
	if out, err := exec.Command("sh", "-ec", script, "sh", dir, os.Args[0]).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(program, "-test.run", "^TestFilesOfAnotherUser$", "-test.v")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), foreignEnv+"="+dir, "TMPDIR="+filepath.Join(dir, "storage"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 12345, Gid: 12345}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, want := range []string{
		"copied: Hard links are not permitted here: the file belongs to another user.",
		"copied: Moving the files is not permitted here: they belong to another user.",
	} {
		if !strings.Contains(string(out), want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	assertTree(t, filepath.Join(dir, "storage", "home"), tree{"d/a": "A", "d/b": "B", "d (1)/a": "A", "d (1)/b": "B"})
}
