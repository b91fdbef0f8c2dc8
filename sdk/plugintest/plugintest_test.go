package plugintest_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func TestTheScriptedDownloaderPassesInThisProcess(t *testing.T) {
	p := scripted.New(scripted.Options{Load: true})
	plugintest.Run(t, plugintest.Options{New: func() downloader.Plugin { return p }, Settings: []byte(`{"secret":"very-s3cret"}`)})
}

func TestTheScriptedDownloaderPassesThroughTheWire(t *testing.T) {
	plugintest.Run(t, plugintest.Options{Path: build(t, "./conformance/testdata/scripted")})
}

// build compiles a plugin.
func build(t *testing.T, pkg string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "haul-downloader-scripted")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", out, pkg).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}
