package tasks

import (
	"fmt"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxRatio is far beyond what anybody shares.
const maxRatio = 10_000

// maxSeconds keeps times where a time.Duration has them, a century.
const maxSeconds = 100 * 366 * 24 * 3600

// checkSeed refuses a policy that makes no sense; nil is none.
func checkSeed(p *core.SeedPolicy) error {
	if p == nil {
		return nil
	}
	wrong := errs.New(errs.InvalidRequest, "The seeding policy is not valid.")
	if !(p.Ratio >= 0 && p.Ratio <= maxRatio) {
		wrong = wrong.WithField("seed.ratio", fmt.Sprintf("must be 0 to %d", maxRatio))
	}
	for name, seconds := range map[string]int64{"seed.time_seconds": p.TimeSeconds, "seed.idle_seconds": p.IdleSeconds} {
		if seconds < 0 || seconds > maxSeconds {
			wrong = wrong.WithField(name, fmt.Sprintf("must be 0 to %d", maxSeconds))
		}
	}
	if len(wrong.Fields) == 0 {
		return nil
	}
	return wrong
}

// updateSeed changes how long a task seeds, while it may still do so.
func updateSeed(e *edit, c *core.SeedChange) error {
	if c == nil {
		return nil
	}
	if e.task.State == core.StateCompleted {
		return errs.New(errs.WrongState, "The task is completed: it does not seed any more.").WithField("seed", "cannot change any more")
	}
	e.task.Seed = c.Policy
	return nil
}
