package conformance

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxReserved bounds how many reserved options are tried, in each spelling.
const maxReserved = 200

func optionCases() []testCase {
	return []testCase{{
		name:     "options/unknown",
		expected: "An option that does not exist is refused with invalid_options, which names it.",
		try: func(c *C) {
			err := c.addWithOption("x_no_such_option", "1")
			c.hasCode("Add with an option that does not exist", err, errs.InvalidOptions)
			if !slices.ContainsFunc(fieldsOf(err), func(f errs.Field) bool { return strings.Contains(f.Name, "x_no_such_option") }) {
				c.failf("The error does not name the option:%s", c.fields(err))
			}
		},
	}, {
		name:     "options/reserved",
		expected: "The driver itself refuses reserved options too, in any spelling.",
		try:      optionsReserved,
	}, {
		name:     "options/wrong-type",
		expected: "An option of the wrong type is refused with invalid_options.",
		try: func(c *C) {
			options := propertiesOf(c.desc.OptionsSchema)
			if len(options) == 0 {
				c.skipf("The plugin has no options.")
			}
			for name := range options {
				err := c.addWithOption(name, []any{map[string]any{}})
				c.hasCode("Add with a wrong "+name, err, errs.InvalidOptions, errs.OptionNotAllowed)
			}
		},
	}}
}

// addWithOption tries to add a job, and removes it again where that works.
func (c *C) addWithOption(name string, value any) error {
	c.anyKind()
	options, err := json.Marshal(map[string]any{name: value})
	c.mustOwn(err)
	j := c.job(c.content(1000))
	j.req.Options = options
	ref, err := j.tryAdd()
	if err == nil {
		j.ref = ref
		j.remove(true)
	}
	return err
}

func optionsReserved(c *C) {
	if len(c.desc.ReservedOptions) == 0 {
		c.skipf("The plugin reserves no options.")
	}
	c.anyKind()
	source := c.content(1000)
	for _, name := range c.desc.ReservedOptions[:min(len(c.desc.ReservedOptions), maxReserved)] {
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ReplaceAll(name, "-", "_")} {
			options, err := json.Marshal(map[string]string{spelling: "/tmp"})
			c.mustOwn(err)
			j := &job{c: c, d: c.main.driver, content: source, req: downloader.AddRequest{
				JobID: c.newID(), Source: source.source, Dir: c.daemonPath(c.ownDir()), Options: options,
			}}
			_, err = j.tryAdd()
			c.hasCode("Add with the option "+spelling, err, errs.OptionNotAllowed, errs.InvalidOptions)
		}
	}
}
