package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/cli"
)

// verify runs "haul plugin verify" and returns what it prints, its error
// included, and its exit code.
func verify(t *testing.T, args ...string) (string, int) {
	t.Helper()
	var out bytes.Buffer
	root := &cobra.Command{Use: "haul", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cli.Commands(cli.Options{Out: &out})...)
	root.SetArgs(append([]string{"plugin", "verify"}, args...))
	err := root.ExecuteContext(t.Context())
	if err != nil {
		cli.PrintError(&out, err)
	}
	return out.String(), cli.ExitCode(err)
}

// scriptedPlugin builds the scripted downloader.
func scriptedPlugin(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "haul-downloader-scripted")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", out, "../../sdk/plugintest/conformance/testdata/scripted")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return out
}

func TestPluginVerify(t *testing.T) {
	plugin := scriptedPlugin(t)
	settings := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(settings, []byte(`{"secret":"very-s3cret"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "no-plugin")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho hello\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		args []string
		code int
		want []string
	}{
		"a plugin that holds the contract": {[]string{plugin, "--run", "describe", "--run", "add/delivers"}, 0, []string{"pass", "add/delivers/http", "9 passed, 0 failed, 0 skipped"}},
		"settings from a file":             {[]string{plugin, "--settings", "@" + settings, "--run", "secrets"}, 0, []string{"2 passed, 0 failed, 0 skipped"}},
		"what cannot be tried":             {[]string{plugin, "--run", "by-hand/removed"}, 0, []string{"skip", "because  The suite cannot remove by hand here.", "1 skipped"}},
		"settings that are refused":        {[]string{plugin, "--settings", `{"x":1}`}, 1, []string{"fail", "start/ready", "invalid_settings", "0 passed, 1 failed"}},
		"no plugin at all":                 {[]string{script}, 1, []string{"plugin_incompatible", "docs/plugin-verify.md"}},
		"no executable":                    {[]string{settings}, 2, []string{"is not an executable file"}},
		"no such file":                     {[]string{"/nowhere/x"}, 2, []string{"is not an executable file"}},
		"no such case":                     {[]string{plugin, "--run", "nonsense"}, 2, []string{`no case "nonsense"`, "describe, configure, add"}},
		"no such directory":                {[]string{plugin, "--dir", "/nowhere"}, 2, []string{"/nowhere is not a directory"}},
		"a directory that is not absolute": {[]string{plugin, "--dir", "."}, 0, []string{"0 failed"}},
		"settings that are no object":      {[]string{plugin, "--settings", "[1]"}, 2, []string{"not a JSON object"}},
		"no settings file":                 {[]string{plugin, "--settings", "@/nowhere/x"}, 2, []string{"no such file"}},
		"no path":                          {nil, 2, []string{"accepts 1 arg"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "a directory that is not absolute" {
				t.Chdir(t.TempDir())
				tt.args = append(tt.args, "--run", "start")
			}
			out, code := verify(t, tt.args...)
			if code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			for _, want := range tt.want {
				if !strings.Contains(out, want) {
					t.Errorf("%q is missing in:\n%s", want, out)
				}
			}
		})
	}
}

func TestPluginVerifyForScripts(t *testing.T) {
	out, code := verify(t, scriptedPlugin(t), "--run", "remove/twice", "-o", "json")
	var got struct {
		Passed, Failed, Skipped int
		Items                   []struct{ Case, Outcome, Expected string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v:\n%s", code, err, out)
	}
	if got.Passed != 3 || len(got.Items) != 3 || got.Items[1].Case != "remove/twice/http" || got.Items[1].Outcome != "pass" || got.Items[1].Expected == "" {
		t.Errorf("got %+v", got)
	}
}
