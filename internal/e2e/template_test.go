package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// copyTemplate begins a plugin as somebody does who has nothing but a checkout
// of haul and docs/plugin-authoring.md, and returns its directory.
func copyTemplate(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "stranger")
	run(t, ".", "../../sdk/template/copy", "my-loader", "example.com/me/my-loader", dir)
	return dir
}

// run runs a command outside of haul's module.
func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// startFetchd starts the daemon that the template is for, and returns its
// address and how to start it again after a kill.
func startFetchd(t *testing.T, template string) (address string, restart func()) {
	t.Helper()
	bin, state := filepath.Join(t.TempDir(), "fetchd"), filepath.Join(t.TempDir(), "state.json")
	run(t, template, "go", "build", "-o", bin, "./internal/fakedaemon/fetchd")
	address = freeAddress(t)
	var cmd *exec.Cmd
	stop := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	start := func() {
		cmd = exec.Command(bin, "-listen", address, "-token", "t0ken", "-state", state)
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if line, err := bufio.NewReader(stderr).ReadString('\n'); err != nil || !strings.Contains(line, "listens") {
			t.Fatalf("fetchd says %q, %v", line, err)
		}
	}
	start()
	t.Cleanup(func() { stop() })
	return address, func() { stop(); start() }
}

func TestTheTemplateIsAPluginOfItsOwn(t *testing.T) {
	dir := copyTemplate(t)
	run(t, dir, "make", "build", "test")
	plugins := filepath.Join(t.TempDir(), "plugins")
	run(t, dir, "make", "install", "DIR="+plugins)
	fetchd, restart := startFetchd(t, dir)
	web := lab.StartWeb(t)
	s := Start(t, Options{Args: []string{"--plugins", plugins}})

	if out, code := s.CLI("plugin", "ls"); code != 0 || !strings.Contains(out, "my-loader") {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	settings := map[string]string{"address": fetchd, "token": "t0ken"}
	s.Must("POST", "/downloaders", map[string]any{"name": "mine", "plugin": "my-loader", "settings": settings}, nil)
	s.WaitHealthy("mine")
	const path = "/slow/400000/1200000"
	id := s.AddWith(map[string]any{"sources": []string{web.URL + path + "/x.bin"}, "downloader": "mine"})[0].ID
	WaitFor(t, 20*time.Second, "a part to be there", func() bool { return s.Task(id).Progress.DoneBytes > 200_000 })
	restart()
	s.Kill9()
	s.Restart()
	s.WaitCompleted(time.Minute, id)
	if fileSHA256(t, filepath.Join(s.Home(), "x.bin")) != web.SHA256(path) {
		t.Error("the file has other bytes")
	}
	assertNothingLeft(t, s)
	if strings.Contains(s.Log(), "t0ken") {
		t.Error("the log holds the token")
	}
}
