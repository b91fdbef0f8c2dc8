package pluginhost

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestLeftoverProcessIsKilledOnlyWhenItIsTheSame(t *testing.T) {
	tests := []struct {
		name   string
		change func(*processID)
		killed bool
	}{
		{"the same process", func(*processID) {}, true},
		{"another start time: the number was used again", func(id *processID) { id.Start++ }, false},
		{"another binary", func(id *processID) { id.Exe = "/bin/other" }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.Command("sleep", "600")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			must(t, cmd.Start())
			ended := make(chan struct{})
			go func() { _ = cmd.Wait(); close(ended) }()
			defer func() { _ = cmd.Process.Kill(); <-ended }()
			id, err := identify(cmd.Process.Pid)
			must(t, err)
			tt.change(&id)
			root := filepath.Join(t.TempDir(), "run")
			must(t, os.MkdirAll(filepath.Join(root, "p-3"), 0o755))
			must(t, writeProcessID(filepath.Join(root, "p-3", "pid"), id))

			d, err := openRuntimeDir(root, hclog.NewNullLogger())
			must(t, err)
			if isGone(cmd.Process.Pid) != tt.killed {
				t.Errorf("killed: %v", !tt.killed)
			}
			if left := entries(t, root); len(left) != 1 {
				t.Errorf("left: %v", left)
			}
			fi, err := os.Stat(root)
			must(t, err)
			if fi.Mode().Perm() != 0o700 {
				t.Errorf("mode %v", fi.Mode())
			}
			must(t, d.close())
		})
	}
}

func TestRuntimeDirOfSomethingElseIsLeftAlone(t *testing.T) {
	root := t.TempDir()
	must(t, os.WriteFile(filepath.Join(root, "precious"), nil, 0o600))
	d, err := openRuntimeDir(root, hclog.NewNullLogger())
	must(t, err)
	must(t, d.close())
	if left := entries(t, root); len(left) != 1 || left[0] != "precious" {
		t.Errorf("left: %v", left)
	}
}

func TestSharedOrUsedRuntimeDirIsRefused(t *testing.T) {
	sticky := t.TempDir()
	must(t, os.Chmod(sticky, 0o777|os.ModeSticky))
	if _, err := openRuntimeDir(sticky, hclog.NewNullLogger()); !errs.Is(err, errs.InvalidRequest) {
		t.Errorf("a shared directory: %v", err)
	}
	root := t.TempDir()
	d, err := openRuntimeDir(root, hclog.NewNullLogger())
	must(t, err)
	if _, err := openRuntimeDir(root, hclog.NewNullLogger()); !errs.Is(err, errs.InUse) {
		t.Errorf("a directory in use: %v", err)
	}
	must(t, d.close())
}

func TestLongRuntimeDirGetsSocketsElsewhere(t *testing.T) {
	tmp, err := os.MkdirTemp("", "h")
	must(t, err)
	defer func() { _ = os.RemoveAll(tmp) }()
	base := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	r := &rig{t: t, dir: filepath.Join(base, strings.Repeat("long/", 20)), logs: &logBuffer{}}
	r.plugins = filepath.Join(r.dir, "plugins")
	must(t, os.MkdirAll(r.plugins, 0o755))
	r.install("good")
	r.Host = r.open(testTuning(), Options{})
	must(t, r.Rescan(t.Context()))
	works(t, r.startReady("good"))
	must(t, r.Close(t.Context()))
	if left := entries(t, tmp); len(left) != 0 {
		t.Errorf("left: %v", left)
	}

	t.Setenv("TMPDIR", r.dir)
	_, err = newHost(Options{RuntimeDir: filepath.Join(r.dir, "run"), StateDir: r.dir, Logger: hclog.NewNullLogger()}, testTuning())
	if !errs.Is(err, errs.InvalidRequest) || !strings.Contains(errs.HintOf(err), "at most") {
		t.Errorf("too long everywhere: %v", err)
	}
}
