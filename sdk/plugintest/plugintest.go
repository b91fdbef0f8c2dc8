// Package plugintest makes Go tests of haul's conformance suite, for plugins
// that are written in Go: see package conformance for what is tried.
package plugintest

import (
	"testing"

	"github.com/haul-dl/haul/sdk/plugintest/conformance"
)

// Options say what is tried, and how.
type Options = conformance.Options

// Magnet is a link that peers serve.
type Magnet = conformance.Magnet

// MagnetFile is one file of a Magnet.
type MagnetFile = conformance.MagnetFile

// HandJob is a job for a hook that finds it at the daemon.
type HandJob = conformance.HandJob

// Run tries a plugin and makes a subtest of each case. The cases run at the same
// time, before the subtests; use Options.Only rather than -run to run some. An
// empty WorkDir is one of the test's own.
func Run(t *testing.T, o Options) {
	t.Helper()
	if o.WorkDir == "" {
		o.WorkDir = t.TempDir()
	}
	results, err := conformance.Run(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		t.Run(r.Case, func(t *testing.T) { report(t, r) })
	}
}

func report(t *testing.T, r conformance.Result) {
	t.Helper()
	switch r.Outcome {
	case conformance.Failed:
		t.Errorf("expected: %s\nseen:     %s\n(%s)", r.Expected, r.Seen, r.Took)
	case conformance.Skipped:
		t.Skip(r.Seen)
	case conformance.Passed:
		t.Log(r.Took)
	}
}
