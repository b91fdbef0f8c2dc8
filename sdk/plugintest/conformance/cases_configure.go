package conformance

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func configureCases() []testCase {
	return []testCase{{
		name:     "configure/unknown-setting",
		expected: "A setting that does not exist is refused with invalid_settings.",
		try: func(c *C) {
			err := c.configure(c.altered(func(o object) { o["x_no_such_setting"] = true }))
			c.hasCode("Configure with a setting that does not exist", err, errs.InvalidSettings)
		},
	}, {
		name:     "configure/wrong-type",
		expected: "A setting of the wrong type is refused with invalid_settings.",
		try: func(c *C) {
			properties := propertiesOf(c.desc.SettingsSchema)
			if len(properties) == 0 {
				c.skipf("The plugin has no settings.")
			}
			for _, name := range slices.Sorted(maps.Keys(properties)) {
				err := c.configure(c.altered(func(o object) { o[name] = []any{map[string]any{}} }))
				c.hasCode("Configure with a wrong "+name, err, errs.InvalidSettings)
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
		name:     "configure/bad-address",
		expected: "An address that cannot be one is refused with invalid_settings, which names the setting.",
		try:      configureBadAddress,
	}, {
		name:     "configure/without-daemon",
		expected: "Configure does not need the daemon, which may come later.",
		try:      func(c *C) { c.instance(c.settingsFor(closedPort)) },
	}}
}

type object = map[string]any

// altered returns the settings with a change.
func (c *C) altered(change func(object)) []byte { return c.changed(c.opts.Settings, change) }

func (c *C) changed(settings []byte, change func(object)) []byte {
	var o object
	c.mustOwn(json.Unmarshal(settings, &o))
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

func configureBadAddress(c *C) {
	name := endpointOf(c.desc)
	if name == "" {
		c.skipf("%s", noEndpoint)
	}
	good := c.settingsFor(closedPort)
	for _, address := range []string{"http://[::1", "http://127.0.0.1:123456", "gopher://127.0.0.1"} {
		err := c.configure(c.changed(good, func(o object) { o[name] = address }))
		c.hasCode("Configure with the address "+address, err, errs.InvalidSettings)
		if !slices.ContainsFunc(fieldsOf(err), func(f errs.Field) bool { return f.Name == name }) {
			c.failf("The error about the address %q does not name the field %q:%s", address, name, c.fields(err))
		}
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
	properties := propertiesOf(desc.SettingsSchema)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if properties[name].Endpoint {
			return name
		}
	}
	if _, ok := properties["address"]; ok {
		return "address"
	}
	return ""
}
