package plugintest_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest"
	"github.com/haul-dl/haul/sdk/plugintest/conformance"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func TestTheScriptedDownloaderPassesInThisProcess(t *testing.T) {
	p := scripted.New(scripted.Options{Load: true})
	plugintest.Run(t, plugintest.Options{New: func() downloader.Plugin { return p }, Settings: []byte(`{"secret":"very-s3cret"}`)})
}

func TestTheScriptedDownloaderPassesThroughTheWire(t *testing.T) {
	plugintest.Run(t, plugintest.Options{Path: build(t, "./conformance/testdata/scripted")})
}

func TestTheSuiteFindsFaultsOfAProcess(t *testing.T) {
	path := build(t, "./conformance/testdata/scripted")
	for fault, found := range map[string]string{"descriptors": "leaks/descriptors", "exit": "start/ready"} {
		t.Run(fault, func(t *testing.T) {
			results, err := conformance.Run(t.Context(), conformance.Options{
				Path: path, Env: []string{"SCRIPTED_FAULT=" + fault}, WorkDir: t.TempDir(), Only: []string{found},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			assertFound(t, results, []string{found})
		})
	}
}

// A plugin that runs a daemon of its own needs no settings.
func TestTheAria2PluginPassesWithItsOwnDaemon(t *testing.T) {
	if _, err := exec.LookPath("aria2c"); err != nil {
		t.Skip("aria2 is not installed")
	}
	plugintest.Run(t, plugintest.Options{
		Path: build(t, "github.com/haul-dl/haul/plugins/aria2"), Settings: []byte(`{"managed":{"dht":false,"interface":"127.0.0.1"}}`),
	})
}

// build compiles a plugin.
func build(t *testing.T, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "haul-downloader-"+filepath.Base(pkg))
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}
