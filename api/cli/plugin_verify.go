package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/conformance"
)

// verification is what "haul plugin verify" was asked for.
type verification struct {
	settings, dir string
	only          []string
}

func (s *shell) verifyCommand() *cobra.Command {
	var v verification
	c := &cobra.Command{
		Use: "verify PATH", Short: "Try whether a plugin's executable holds haul's contract", Args: cobra.ExactArgs(1),
		Long: `Start the plugin at PATH and hold it against haul's contract, case by case.

It needs no server. The sources that it has the plugin load are its own, on
loopback. The daemon that the settings lead to has to be on this machine, and be
free to write below the directory. Use one for trying things out.`,
		Example: `  haul plugin verify ./haul-downloader-aria2
  haul plugin verify ./haul-downloader-mine --settings '{"address":"127.0.0.1:7700"}' --run add --run remove/twice`,
		RunE: func(c *cobra.Command, args []string) error { return s.verify(c.Context(), args[0], v) },
	}
	c.Flags().StringVar(&v.settings, "settings", "{}", "the plugin's settings: a JSON object, or @FILE with one")
	c.Flags().StringVar(&v.dir, "dir", "", "a directory that the daemon can write to (a temporary one by default)")
	c.Flags().StringArrayVar(&v.only, "run", nil, "run this case or group of cases alone; may be repeated")
	return c
}

// verify tries a plugin and shows what came of it.
func (s *shell) verify(ctx context.Context, path string, v verification) error {
	o, tidy, err := v.options(path)
	if err != nil {
		return err
	}
	defer tidy()
	report := &verdicts{shell: s}
	results, err := conformance.Run(ctx, o, report.add)
	if err != nil {
		return usageError{err}
	}
	if err := report.end(results); err != nil {
		return err
	}
	if n := report.count(conformance.Failed); n > 0 {
		return failedCases(n, results, v)
	}
	return ctx.Err()
}

// options reads the command line. tidy removes what was made for it.
func (v verification) options(path string) (o conformance.Options, tidy func(), err error) {
	tidy = func() {}
	if info, err := os.Stat(path); err != nil || info.IsDir() || info.Mode()&0o111 == 0 {
		return o, tidy, usagef("%s is not an executable file", path)
	}
	for _, name := range v.only {
		if !slices.ContainsFunc(conformance.Cases(), func(c string) bool { return conformance.Matches(c, name) }) {
			return o, tidy, usagef("there is no case %q; the groups are %s", name, strings.Join(caseGroups(), ", "))
		}
	}
	settings, err := v.readSettings()
	if err != nil {
		return o, tidy, err
	}
	dir, tidy, err := v.workDir()
	return conformance.Options{Path: path, Settings: settings, WorkDir: dir, Only: v.only}, tidy, err
}

func (v verification) readSettings() ([]byte, error) {
	text := []byte(v.settings)
	if file, ok := strings.CutPrefix(v.settings, "@"); ok {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, usageError{err}
		}
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil || object == nil {
		return nil, usagef("the settings are not a JSON object")
	}
	return text, nil
}

func (v verification) workDir() (dir string, tidy func(), err error) {
	if v.dir != "" {
		info, err := os.Stat(v.dir)
		if err != nil || !info.IsDir() {
			return "", func() {}, usagef("%s is not a directory", v.dir)
		}
		dir, err := filepath.Abs(v.dir)
		if err != nil {
			return "", func() {}, usageError{err}
		}
		return dir, func() {}, nil
	}
	if dir, err = os.MkdirTemp("", "haul-verify"); err != nil {
		return "", func() {}, errs.Wrap(err, errs.Unavailable, "A directory to work in cannot be made.").WithHint("Give one with --dir.")
	}
	tidy = func() { _ = os.RemoveAll(dir) } // a daemon of another user may have left something
	// Such a daemon has to get to the jobs' directories below.
	if err := os.Chmod(dir, 0o755); err != nil {
		tidy()
		return "", func() {}, errs.Wrap(err, errs.Unavailable, "The directory to work in cannot be opened to the daemon.").WithHint("Give one with --dir.")
	}
	return dir, tidy, nil
}

func caseGroups() []string {
	var groups []string
	for _, name := range conformance.Cases() {
		if group, _, _ := strings.Cut(name, "/"); !slices.Contains(groups, group) {
			groups = append(groups, group)
		}
	}
	return groups
}

// failedCases is the end of a plugin that does not hold the contract.
func failedCases(n int, results []conformance.Result, v verification) error {
	e := errs.New(errs.PluginIncompatible, "The plugin does not hold the contract: %d of %d cases failed.", n, len(results)).
		WithHint("docs/plugin-verify.md tells how to read a failure; --run CASE runs one alone.")
	if results[0].Outcome == conformance.Failed && v.settings == "{}" && strings.Contains(results[0].Seen, string(errs.InvalidSettings)) {
		return e.WithHint("The plugin does not work without settings: give those that lead to its daemon with --settings.")
	}
	return e
}

// verdicts shows results as they come.
type verdicts struct {
	shell   *shell
	results []conformance.Result
	err     error
}

func (v *verdicts) count(o conformance.Outcome) (n int) {
	for _, r := range v.results {
		if r.Outcome == o {
			n++
		}
	}
	return n
}

// add shows a result at once, as the whole takes a while.
func (v *verdicts) add(r conformance.Result) {
	v.results = append(v.results, r)
	if v.shell.format == formatJSON || len(v.results) > 1 && v.notReady() {
		return
	}
	_, err := fmt.Fprintf(v.shell.Out, "%s  %6.1fs  %s\n", r.Outcome, r.Took.Seconds(), r.Case)
	switch r.Outcome {
	case conformance.Failed:
		v.err = errors.Join(v.err, v.line("expected", r.Expected), v.line("seen", r.Seen))
	case conformance.Skipped:
		v.err = errors.Join(v.err, v.line("because", r.Seen))
	}
	v.err = errors.Join(v.err, err)
}

// notReady reports whether the plugin did not even start, which is why all other
// cases are skipped.
func (v *verdicts) notReady() bool { return v.results[0].Outcome == conformance.Failed }

// line shows one thing about a case. What a plugin says is not trusted.
func (v *verdicts) line(label, text string) error {
	for i, part := range strings.Split(strings.TrimSpace(text), "\n") {
		if i > 0 {
			label = ""
		}
		if _, err := fmt.Fprintf(v.shell.Out, "      %9s  %s\n", label, clean(part)); err != nil {
			return err
		}
	}
	return nil
}

// verdict is one case as scripts read it.
type verdict struct {
	Case     string              `json:"case"`
	Outcome  conformance.Outcome `json:"outcome"`
	Expected string              `json:"expected"`
	Seen     string              `json:"seen,omitempty"`
	TookMS   int64               `json:"took_ms"`
}

// end shows the total.
func (v *verdicts) end(results []conformance.Result) error {
	v.results = results
	passed, failed, skipped := v.count(conformance.Passed), v.count(conformance.Failed), v.count(conformance.Skipped)
	if v.shell.format != formatJSON {
		if skipped > 0 && v.notReady() {
			v.err = errors.Join(v.err, v.line("because", "The plugin did not get ready; no other case was tried."))
		}
		_, err := fmt.Fprintf(v.shell.Out, "\n%d passed, %d failed, %d skipped\n", passed, failed, skipped)
		if err = errors.Join(v.err, err); err != nil {
			return writeError(err)
		}
		return nil
	}
	out := struct {
		Passed  int       `json:"passed"`
		Failed  int       `json:"failed"`
		Skipped int       `json:"skipped"`
		Items   []verdict `json:"items"`
	}{passed, failed, skipped, make([]verdict, len(results))}
	for i, r := range results {
		out.Items[i] = verdict{r.Case, r.Outcome, r.Expected, r.Seen, int64(r.Took / time.Millisecond)}
	}
	return v.shell.json(out)
}
