package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/go-hclog"
)

// stopper is a named step of the way down.
type stopper struct {
	name string
	stop func(context.Context) error
}

// lifecycle is a stack of what has been started. What was started last is
// stopped first; a step that fails does not keep the others from running.
type lifecycle struct {
	log   hclog.Logger
	steps []stopper
}

// onStop notes how to stop what was just started.
func (l *lifecycle) onStop(name string, stop func(context.Context) error) {
	l.steps = append(l.steps, stopper{name, stop})
}

// stop undoes everything, newest first, and joins the errors.
func (l *lifecycle) stop(ctx context.Context) error {
	var failed error
	for _, step := range slices.Backward(l.steps) {
		if err := step.stop(ctx); err != nil {
			l.log.Error("stop", "part", step.name, "err", err)
			failed = errors.Join(failed, fmt.Errorf("stop %s: %w", step.name, err))
		}
	}
	l.steps = nil
	return failed
}

// quiet makes a stopper of a function that cannot fail.
func quiet(stop func()) func(context.Context) error {
	return func(context.Context) error {
		stop()
		return nil
	}
}
