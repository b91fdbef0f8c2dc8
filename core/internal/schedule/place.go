// Package schedule decides which queued task starts next, and at which
// downloader. It holds no state of the world: callers hand in a snapshot.
package schedule

import (
	"fmt"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// load is how full the candidate would be with one job more, for its weight.
func (c *Candidate) load() float64 { return float64(c.Active+1) / float64(max(c.Weight, 1)) }

// Place returns the index of the least loaded candidate that can start a task
// now, or -1 and what the task waits for.
func Place(w Want, candidates []Candidate) (int, *core.Waiting) {
	if i := choose(w, candidates); i >= 0 {
		return i, nil
	}
	var why *core.Waiting
	for i := range candidates {
		c := &candidates[i]
		if !c.Takes(w) {
			continue
		}
		if reason := c.blocked(); reason != nil && (why == nil || why.Code == errs.DownloaderDisabled) {
			why = reason
		}
	}
	if why == nil {
		why = unmet(w, candidates)
	}
	return -1, why
}

// choose returns the index of the least loaded candidate that can start a task
// now, or -1. It looks last at what costs most: whether the options fit.
func choose(w Want, candidates []Candidate) int {
	best := -1
	for i := range candidates {
		c := &candidates[i]
		if !c.matches(w) || !c.open() || best >= 0 && c.load() >= candidates[best].load() || c.refuses(w) != nil {
			continue
		}
		best = i
	}
	return best
}

// Ready reports whether the candidate takes jobs as far as there is room.
func (c *Candidate) Ready() bool { return c.Enabled && c.Trouble == nil && c.Sources != nil }

// open reports whether the candidate takes jobs now.
func (c *Candidate) open() bool { return c.Ready() && c.Active < c.MaxActive }

// blocked says why the candidate takes no job now; nil when it does.
func (c *Candidate) blocked() *core.Waiting {
	switch {
	case c.open():
		return nil
	case !c.Enabled:
		return &core.Waiting{Code: errs.DownloaderDisabled, Message: fmt.Sprintf("Downloader %q is disabled.", c.Name)}
	case c.Trouble != nil:
		return c.Trouble
	case c.Sources == nil:
		return &core.Waiting{Code: errs.PluginStarting, Message: fmt.Sprintf("The plugin of downloader %q has not started yet.", c.Name)}
	}
	return &core.Waiting{
		Code:    core.WaitingForSlot,
		Message: fmt.Sprintf("Downloader %q runs %d jobs already, as many as it may.", c.Name, c.Active),
	}
}
