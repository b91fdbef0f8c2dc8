package conformance

import (
	"errors"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

func startCases() []testCase {
	return []testCase{{
		name:     "start/ready",
		expected: "The plugin describes itself, takes the settings, and its daemon answers.",
		always:   true,
		try:      startReady,
	}}
}

// startReady makes the instance that most of the other cases share.
func startReady(c *C) {
	in, err := c.start(c.ctx, c.opts.Settings)
	if err != nil {
		c.failf("It does not start: %s. %s%s\n%s\n%s", c.describe(err), errs.HintOf(err), c.fields(err), cause(err), c.said.tail(5))
	}
	desc, err := in.session.plugin.Describe(c.within(checkTimeout))
	if err != nil {
		in.end(c.ctx)
		c.failf("Describe: %s.", c.describe(err))
	}
	if err := in.ready(c.ctx, c.opts.Patience); err != nil {
		in.end(c.ctx)
		c.failf("The daemon does not answer within %s: %s.", c.opts.Patience, c.describe(err))
	}
	c.main, c.desc = in, desc
	if s, err := schema.Compile(desc.SettingsSchema); err == nil {
		c.settings = s
	}
}

// cause returns what is behind an error, for whoever runs the suite.
func cause(err error) string {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err.Error()
		}
		err = next
	}
}
