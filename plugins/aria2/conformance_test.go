package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os/exec"
	"path"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/plugins/aria2/internal/driver"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest"
)

// managedSettings let the plugin run an aria2 of its own, on loopback alone.
const managedSettings = `{"managed":{"dht":false,"interface":"127.0.0.1"}}`

func TestConformanceInProcess(t *testing.T) {
	t.Parallel()
	o := external(t)
	o.New = func() downloader.Plugin { return driver.New() }
	plugintest.Run(t, o)
}

func TestConformanceOfTheExecutable(t *testing.T) {
	t.Parallel()
	o := external(t)
	o.Path = build(t)
	plugintest.Run(t, o)
}

func TestConformanceOfAManagedDaemon(t *testing.T) {
	t.Parallel()
	plugintest.Run(t, plugintest.Options{
		Path: build(t), Settings: []byte(managedSettings), Magnets: magnets(lab.StartSwarm(t)),
		// Without those that are about an address, which there is none of.
		Only: []string{
			"start", "describe", "test", "add", "check", "files", "remove", "pause", "limits", "list", "watch",
			"magnet", "options", "restart", "hostile", "leaks", "secrets",
		},
	})
}

func build(t *testing.T) string {
	t.Helper()
	executable := filepath.Join(t.TempDir(), "haul-downloader-aria2")
	if out, err := exec.Command("go", "build", "-o", executable, ".").CombinedOutput(); err != nil {
		t.Fatalf("build the plugin: %v\n%s", err, out)
	}
	return executable
}

// external is an aria2 of somebody else.
func external(t *testing.T) plugintest.Options {
	t.Helper()
	a := lab.StartAria2(t, lab.Aria2Options{})
	settings, err := json.Marshal(map[string]string{"address": a.Address, "secret": a.Secret})
	if err != nil {
		t.Fatal(err)
	}
	return plugintest.Options{
		Settings:      settings,
		Magnets:       magnets(lab.StartSwarm(t)),
		RestartDaemon: func(context.Context) error { a.Restart(); return nil },
		KillDaemon:    func(context.Context) error { a.Kill9(); return nil },
		PauseByHand: func(ctx context.Context, j plugintest.HandJob) error {
			return byHand(ctx, a, "aria2.forcePause", j)
		},
		RemoveByHand: func(ctx context.Context, j plugintest.HandJob) error {
			return byHand(ctx, a, "aria2.forceRemove", j)
		},
	}
}

func magnets(s *lab.Swarm) []plugintest.Magnet {
	var out []plugintest.Magnet
	for _, name := range []string{"small", "multi"} {
		tor := s.Torrent(name)
		m := plugintest.Magnet{URI: tor.Magnet, InfoHash: tor.InfoHash}
		for _, f := range tor.Files {
			m.Files = append(m.Files, plugintest.MagnetFile{Path: path.Join(tor.Root, f.Path), SHA256: f.SHA256})
		}
		out = append(out, m)
	}
	return out
}

// byHand does something to the download of a job's directory.
func byHand(ctx context.Context, a *lab.Aria2, method string, j plugintest.HandJob) error {
	keys := []string{"gid", "dir"}
	var active, waiting []struct{ GID, Dir string }
	if err := call(ctx, a, "aria2.tellActive", &active, keys); err != nil {
		return err
	}
	if err := call(ctx, a, "aria2.tellWaiting", &waiting, 0, 10_000, keys); err != nil {
		return err
	}
	for _, d := range append(active, waiting...) {
		if d.Dir == j.Dir {
			return call(ctx, a, method, new(string), d.GID)
		}
	}
	return fmt.Errorf("aria2 has nothing for %s", j.Dir)
}

func call(ctx context.Context, a *lab.Aria2, method string, to any, params ...any) error {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": "hand", "method": method, "params": append([]any{"token:" + a.Secret}, params...),
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.Address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", method, resp.Status)
	}
	return json.NewDecoder(resp.Body).Decode(&struct{ Result any }{to})
}
