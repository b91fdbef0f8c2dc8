package tasks

import (
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// checkSeed refuses a policy that makes no sense; nil is none.
func checkSeed(p *core.SeedPolicy) error {
	fields := p.Wrong()
	if len(fields) == 0 {
		return nil
	}
	wrong := errs.New(errs.InvalidRequest, "The seeding policy is not valid.")
	wrong.Fields = fields
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
