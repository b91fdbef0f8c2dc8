package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// pluginFile is a file of a plugin as the server shows it.
type pluginFile struct {
	Name, Version, Path, SHA256 string
	Active                      bool
	Error                       *struct{ Code, Message, Hint string }
	Instances                   []struct {
		Name, Version string
		PID           int
	}
}

// PluginFiles returns what the server has found of a plugin.
func (s *Server) PluginFiles(name string) []pluginFile {
	s.t.Helper()
	var all struct{ Items []pluginFile }
	s.Must("GET", "/plugins", nil, &all)
	var out []pluginFile
	for _, p := range all.Items {
		if p.Name == name {
			out = append(out, p)
		}
	}
	return out
}

// buildInstant returns the path of the plugin in testdata/instant.
func buildInstant(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "instant")
	if err := goBuild(out, "internal/e2e/testdata/instant"); err != nil {
		t.Fatal(err)
	}
	return out
}

// copyTo copies an executable in pieces, as cp does.
func copyTo(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 && err == nil {
		var n int
		n, err = f.Write(b[:min(len(b), 128<<10)])
		b = b[n:]
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestAPluginThatIsDroppedInIsUsedWithoutARestart(t *testing.T) {
	instant := buildInstant(t)
	s := Start(t, Options{})
	assertProblem(t, s.Do("POST", "/downloaders", map[string]any{"name": "quick", "plugin": "instant"}), 422, "plugin_missing")

	file := filepath.Join(s.Data, "plugins", "haul-downloader-instant")
	copyTo(t, instant, file)
	WaitFor(t, 20*time.Second, "the plugin to be found", func() bool {
		found := s.PluginFiles("instant")
		return len(found) == 1 && found[0].Active && found[0].Path == file && found[0].Error == nil
	})
	s.Must("POST", "/downloaders", map[string]any{"name": "quick", "plugin": "instant"}, nil)
	s.WaitHealthy("quick")
	task := s.AddWith(map[string]any{"sources": []string{"http://127.0.0.1:1/x"}, "downloader": "quick"})[0]
	s.WaitCompleted(20*time.Second, task.ID)

	if err := os.Chmod(file, 0o757); err != nil {
		t.Fatal(err)
	}
	WaitFor(t, 20*time.Second, "the file to be refused", func() bool {
		found := s.PluginFiles("instant")
		return len(found) == 1 && found[0].Error != nil && found[0].Error.Code == "plugin_untrusted"
	})
	if e := s.PluginFiles("instant")[0].Error; !strings.Contains(e.Hint, "chmod o-w "+file) {
		t.Errorf("the refusal is %+v", e)
	}
	if out, code := s.CLI("plugin", "ls"); code != 0 || !strings.Contains(out, "plugin_untrusted") {
		t.Errorf("plugin ls, exit code %d:\n%s", code, out)
	}
}

func TestAPluginThatIsNotThePinnedOneIsRefused(t *testing.T) {
	data := t.TempDir()
	copyTo(t, buildInstant(t), filepath.Join(data, "plugins", "haul-downloader-instant"))
	pin := strings.Repeat("0", 64)
	s := Start(t, Options{Data: data, Args: []string{"--plugin-pins", "instant=" + pin}})
	found := s.PluginFiles("instant")
	if len(found) != 1 || found[0].Active || found[0].Error == nil || found[0].Error.Code != "plugin_untrusted" ||
		!strings.Contains(found[0].Error.Message, found[0].SHA256) || found[0].SHA256 == "" {
		t.Fatalf("found %+v", found)
	}
	s.Stop()
	s.args = []string{"--plugin-pins", "instant=" + found[0].SHA256}
	s.Restart()
	if found := s.PluginFiles("instant"); len(found) != 1 || !found[0].Active || found[0].Error != nil {
		t.Errorf("with the right pin: %+v", found)
	}
}

// buildAria2 builds the plugin of aria2 as another version.
func buildAria2(t *testing.T, out, version string) {
	t.Helper()
	source, err := filepath.Abs("../../plugins/aria2/internal/driver/plugin.go")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(source)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(b), `"0.1.0"`, `"`+version+`"`, 1)
	if changed == string(b) {
		t.Fatal("the plugin's version is not where it was")
	}
	other, overlay := filepath.Join(t.TempDir(), "plugin.go"), filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(other, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{source: other}})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-overlay", overlay, "-o", out, "github.com/haul-dl/haul/plugins/aria2")
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, msg)
	}
}

// TestAnUpgradeInTheMiddleOfDownloads replaces aria2's plugin, which owns one
// daemon and talks to another one of somebody else's, and puts a broken one there
// afterwards: no download fails, and none begins anew at the other's daemon.
func TestAnUpgradeInTheMiddleOfDownloads(t *testing.T) {
	const rate, size, downloads = 200_000, 3_000_000, 10
	next := filepath.Join(t.TempDir(), "next")
	buildAria2(t, next, "9.0.0")
	web, aria2 := lab.StartWeb(t), lab.StartAria2(t, lab.Aria2Options{})
	s := Start(t, Options{})
	s.Must("POST", "/downloaders", map[string]any{
		"name": "other", "plugin": "aria2", "settings": map[string]string{"address": aria2.Address, "secret": aria2.Secret},
	}, nil)
	s.WaitHealthy("other")
	var ids []string
	for i := range downloads {
		for _, downloader := range []string{"aria2", "other"} {
			uri := fmt.Sprintf("%s/slow/%d/%d/%s-%d.bin", web.URL, rate, size, downloader, i)
			ids = append(ids, s.AddWith(map[string]any{"sources": []string{uri}, "downloader": downloader})[0].ID)
		}
	}
	WaitFor(t, 30*time.Second, "all to be loading", func() bool { return len(s.Tasks("downloading")) == len(ids) })

	staged := filepath.Join(s.Data, "plugins", "aria2", "9.0.0", ".new")
	copyTo(t, next, staged)
	if err := os.Rename(staged, filepath.Join(filepath.Dir(staged), "haul-downloader-aria2")); err != nil {
		t.Fatal(err)
	}
	for _, downloader := range []string{"aria2", "other"} {
		WaitFor(t, 30*time.Second, "the new version to run for "+downloader, func() bool {
			found := s.PluginFiles("aria2")
			for _, p := range found {
				for _, in := range p.Instances {
					if p.Active && p.Version == "9.0.0" && in.Name == downloader && in.Version == "9.0.0" {
						return len(found) == 2 && s.Downloader(downloader).Health.State == "ok"
					}
				}
			}
			return false
		})
	}
	broken := filepath.Join(s.Data, "plugins", "aria2", "10.0.0", "haul-downloader-aria2")
	if err := os.MkdirAll(filepath.Dir(broken), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(broken, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	WaitFor(t, 20*time.Second, "the broken version to be shown", func() bool {
		found := s.PluginFiles("aria2")
		return len(found) == 3 && found[0].Path == broken && found[0].Error != nil && !found[0].Active
	})
	for _, task := range s.Tasks("") {
		if task.State == "failed" || task.Attempt > 1 {
			t.Errorf("%s: %s, attempt %d, %+v", task.Name, task.State, task.Attempt, task.Error)
		}
	}
	s.WaitCompleted(90*time.Second, ids...)
	for _, id := range ids {
		if got := fileSHA256(t, filepath.Join(s.Home(), s.Task(id).Name)); got != lab.SlowSHA256(size) {
			t.Errorf("%s has other bytes", s.Task(id).Name)
		}
	}
	for i := range downloads {
		if n := web.Requests(fmt.Sprintf("/slow/%d/%d/other-%d.bin", rate, size, i)); n != 1 {
			t.Errorf("download %d of the daemon that went on was asked for %d times", i, n)
		}
	}
	for _, downloader := range []string{"aria2", "other"} {
		if n := s.Downloader(downloader).Restarts; n > 1 {
			t.Errorf("%s was restarted %d times", downloader, n)
		}
	}
	assertNothingLeft(t, s)
}

func TestFiftyDownloadsCompleteAlthoughThePluginDiesAgainAndAgain(t *testing.T) {
	t.Parallel()
	const downloads, deaths = 50, 6
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	var sources []string
	for i := range downloads {
		sources = append(sources, fmt.Sprintf("%s/slow/%d/%d/file-%02d.bin", web.URL, 256<<10, crashSize, i))
	}
	tasks := s.Add(sources...)
	last := 0
	for range deaths {
		var pid int
		WaitFor(t, time.Minute, "the plugin to be well", func() bool {
			d := s.Downloader("aria2")
			pid = d.PluginPID
			return d.Health.State == "ok" && pid != 0 && pid != last
		})
		done := len(s.Tasks("completed"))
		began := time.Now()
		WaitFor(t, time.Minute, "some work to be done", func() bool {
			return time.Since(began) > 2*time.Second || len(s.Tasks("completed")) > done
		})
		kill9(t, pid)
		last = pid
	}
	for _, task := range tasks {
		s.WaitCompleted(3*time.Minute, task.ID)
	}
	if n := s.Downloader("aria2").Restarts; n < deaths {
		t.Errorf("%d restarts", n)
	}
	assertHome(t, s, downloads)
	assertNothingLeft(t, s)
}
