// Package conformance tries a plugin, whatever it is written in, against haul's
// contract: a list of small cases, each of which says what it expects and, where
// it fails, what it saw instead.
//
// It needs no test framework: package plugintest makes Go tests of it, and
// "haul plugin verify" a table. The sources that it has the plugin load are its
// own, on loopback.
package conformance

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// Outcome is how a case ended.
type Outcome string

// The outcomes.
const (
	Passed  Outcome = "pass"
	Failed  Outcome = "fail"
	Skipped Outcome = "skip"
)

// Result is how one case ended.
type Result struct {
	// Case is its name, such as "add/twice/http".
	Case string
	// Expected is a sentence on what the contract asks for.
	Expected string
	// Outcome tells whether it was so.
	Outcome Outcome
	// Seen is what was seen instead, or why the case was skipped.
	Seen string
	// Took is how long it took.
	Took time.Duration
}

// atOnce is how many cases run at the same time: most of their time they wait.
const atOnce = 8

// caseTimeout bounds a single case, whatever a plugin does.
const caseTimeout = 2 * time.Minute

// Run tries a plugin and returns a result for each case, in the order of Cases.
// It hands each to report, which may be nil, as soon as those before it are
// known. A canceled ctx ends it early, with the rest skipped. An error means that
// the options are wrong and nothing was tried.
func Run(ctx context.Context, o Options, report func(Result)) ([]Result, error) {
	s, err := newSuite(o)
	if err != nil {
		return nil, err
	}
	defer s.close()
	out := &results{report: report}
	for _, stage := range stages() {
		s.runStage(ctx, stage, out)
	}
	return out.ordered, nil
}

// Cases returns the names of all cases.
func Cases() []string {
	var names []string
	for _, stage := range stages() {
		for _, k := range stage.cases {
			names = append(names, k.name)
		}
	}
	return names
}

// Matches reports whether a case is the one called pattern, or of that group:
// "add" stands for all whose name begins with "add/".
func Matches(name, pattern string) bool {
	return name == pattern || strings.HasPrefix(name, strings.TrimSuffix(pattern, "/")+"/")
}

// stage holds cases that run at the same time, or one after the other.
type stage struct {
	cases    []testCase
	parallel bool
}

func stages() []stage {
	return []stage{
		{cases: startCases()},
		{parallel: true, cases: slices.Concat(
			describeCases(), configureCases(), addCases(), idempotenceCases(), checkCases(), removeCases(),
			pauseCases(), selectCases(), limitCases(), listCases(), watchCases(), magnetCases(), optionCases(),
			errorCases(), contextCases(), hostileCases(), restartCases(), handCases(),
		)},
		{cases: slices.Concat(daemonCases(), leakCases(), secretCases())},
	}
}

// results puts what comes in any order into the order of the cases.
type results struct {
	report  func(Result)
	ordered []Result
}

func (r *results) add(result Result) {
	r.ordered = append(r.ordered, result)
	if r.report != nil {
		r.report(result)
	}
}

func (s *suite) runStage(ctx context.Context, st stage, out *results) {
	var cases []testCase
	for _, k := range st.cases {
		if k.always || s.wanted(k.name) {
			cases = append(cases, k)
		}
	}
	slots := 1
	if st.parallel {
		slots = atOnce
	}
	done := make([]chan Result, len(cases))
	for i := range done {
		done[i] = make(chan Result, 1)
	}
	var next int
	var mu sync.Mutex // guards next
	var workers sync.WaitGroup
	for range slots {
		workers.Go(func() {
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(cases) {
					return
				}
				done[i] <- s.runCase(ctx, cases[i])
			}
		})
	}
	for _, c := range done {
		out.add(<-c)
	}
	workers.Wait()
}

func (s *suite) wanted(name string) bool {
	return len(s.opts.Only) == 0 || slices.ContainsFunc(s.opts.Only, func(p string) bool { return Matches(name, p) })
}

// runCase runs one case to its end.
func (s *suite) runCase(ctx context.Context, k testCase) Result {
	r := Result{Case: k.name, Expected: k.expected, Outcome: Passed}
	began := time.Now()
	defer func() { r.Took = time.Since(began) }()
	if reason := s.reasonToSkip(ctx, k); reason != "" {
		r.Outcome, r.Seen = Skipped, reason
		return r
	}
	limited, cancel := context.WithTimeout(ctx, caseTimeout)
	defer cancel()
	c := &C{suite: s, ctx: limited, testCase: k}
	r.Outcome, r.Seen = c.run()
	if r.Outcome == Failed && ctx.Err() != nil {
		r.Outcome, r.Seen = Skipped, "The run was given up."
	}
	r.Took = time.Since(began)
	return r
}

// reasonToSkip says why a case cannot be tried with this plugin, "" if it can.
func (s *suite) reasonToSkip(ctx context.Context, k testCase) string {
	switch {
	case ctx.Err() != nil:
		return "The run was given up."
	case k.always:
		return ""
	case s.main == nil:
		return "The plugin did not get ready."
	case k.kind != "" && !slices.Contains(s.desc.Sources, k.kind):
		return fmt.Sprintf("The plugin does not take sources of the kind %q.", k.kind)
	case k.capability != "" && !slices.Contains(s.desc.Capabilities, k.capability):
		return fmt.Sprintf("The plugin does not declare %q.", k.capability)
	case k.process && s.opts.Path == "":
		return "The plugin runs in this process."
	}
	if k.hook != nil {
		return k.hook(s.opts)
	}
	return ""
}
