package conformance

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func configureCases() []testCase {
	return []testCase{{
		name:     "configure/unknown-setting",
		expected: "A setting that does not exist is refused with invalid_settings, which names it.",
		try: func(c *C) {
			c.refusesSettings("x_no_such_setting", c.altered(func(o object) { o["x_no_such_setting"] = true }))
		},
	}, {
		name:     "configure/wrong-type",
		expected: "A setting of the wrong type is refused with invalid_settings, which names it.",
		try: func(c *C) {
			properties := c.readSchema("settings", c.desc.SettingsSchema)
			if len(properties) == 0 {
				c.skipf("The plugin has no settings.")
			}
			for _, name := range slices.Sorted(maps.Keys(properties)) {
				c.refusesSettings(name, c.altered(func(o object) { o[name] = []any{map[string]any{}} }))
			}
		},
	}, {
		name:     "configure/not-json",
		expected: "Settings that are no JSON object are refused with invalid_settings.",
		try: func(c *C) {
			for _, text := range []string{`{`, `[]`, `"text"`} {
				err := c.configure([]byte(text))
				c.hasCode("Configure with "+text, err, errs.InvalidSettings)
			}
		},
	}, {
		name:     "configure/without-daemon",
		expected: "Configure does not need the daemon, which may come later.",
		try: func(c *C) {
			began := time.Now()
			c.instance(c.settingsFor(closedPort))
			if took := time.Since(began); took > 10*time.Second {
				c.failf("It took %s.", took.Round(time.Second))
			}
		},
	}}
}

type object = map[string]any

// altered returns the settings with a change.
func (c *C) altered(change func(object)) []byte {
	var o object
	c.mustOwn(json.Unmarshal(c.opts.Settings, &o))
	change(o)
	out, err := json.Marshal(o)
	c.mustOwn(err)
	return out
}

// configure tries settings that should not work.
func (c *C) configure(settings []byte) error {
	in, err := c.start(c.ctx, settings)
	c.note(err)
	if err == nil {
		in.end(c.ctx)
	}
	return err
}

func (c *C) refusesSettings(name string, settings []byte) {
	err := c.configure(settings)
	c.hasCode("Configure with a wrong "+name, err, errs.InvalidSettings)
	if !slices.ContainsFunc(fieldsOf(err), func(f errs.Field) bool { return f.Name == name || strings.HasPrefix(f.Name, name) }) {
		c.failf("The error does not name the field %q:%s", name, c.fields(err))
	}
}

func fieldsOf(err error) []errs.Field {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e.Fields
	}
	return nil
}

// endpointOf returns the name of the setting that says where the daemon is.
func endpointOf(desc downloader.Description) string {
	var s struct{ Properties map[string]property }
	if json.Unmarshal(desc.SettingsSchema, &s) != nil {
		return ""
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if s.Properties[name].Endpoint {
			return name
		}
	}
	if _, ok := s.Properties["address"]; ok {
		return "address"
	}
	return ""
}
