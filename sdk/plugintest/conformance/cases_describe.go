package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

var (
	pluginName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$`)
	semVersion = regexp.MustCompile(`^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	// secretName matches the names that secrets usually have.
	secretName = regexp.MustCompile(`(?i)(passw(or)?d|secret|token|passphrase|api_?key)$`)
)

func describeCases() []testCase {
	return []testCase{{
		name:     "describe/identity",
		expected: "The name is of lower-case letters, digits and dashes, the version a semantic one without a v, and the daemon's name is given.",
		try:      describeIdentity,
	}, {
		name:     "describe/sources",
		expected: "At least one kind of source is named, and each kind and capability is known and named once.",
		try:      describeSources,
	}, {
		name:     "describe/settings-schema",
		expected: "The settings schema is a JSON Schema (draft 2020-12) of an object that refuses what it does not name, each property has a title and a description, and secrets are writeOnly.",
		try: func(c *C) {
			p := c.readSchema("settings", c.desc.SettingsSchema)
			for name, property := range p {
				if secretName.MatchString(name) && !property.WriteOnly {
					c.failf("The setting %q looks like a secret, and is not marked with writeOnly.", name)
				}
			}
		},
	}, {
		name:     "describe/options-schema",
		expected: "The options schema is as strict as that of the settings, and names no reserved option.",
		try: func(c *C) {
			if len(c.desc.OptionsSchema) == 0 {
				c.skipf("The plugin has no options.")
			}
			for name := range c.readSchema("options", c.desc.OptionsSchema) {
				if downloader.IsReserved(c.desc.ReservedOptions, name) {
					c.failf("The option %q is reserved, and the schema offers it.", name)
				}
			}
		},
	}, {
		name:     "describe/at-any-time",
		expected: "Describe answers at once, before and after Configure alike.",
		try:      describeAtAnyTime,
	}, {
		name:     "describe/capabilities",
		expected: "Each capability that is declared is there, and none that is not.",
		try:      describeCapabilities,
	}}
}

func describeIdentity(c *C) {
	if !pluginName.MatchString(c.desc.Name) {
		c.failf("The name is %q.", c.desc.Name)
	}
	if !semVersion.MatchString(c.desc.Version) {
		c.failf("The version is %q.", c.desc.Version)
	}
	if strings.TrimSpace(c.desc.DisplayName) == "" {
		c.failf("There is no display name.")
	}
}

func describeSources(c *C) {
	if len(c.desc.Sources) == 0 {
		c.failf("No kind of source is named.")
	}
	kinds := []downloader.SourceKind{
		downloader.SourceMagnet, downloader.SourceTorrent, downloader.SourceHTTP, downloader.SourceFTP, downloader.SourceMetalink,
	}
	if odd, ok := oddOne(c.desc.Sources, kinds); ok {
		c.failf("The kind of source %q is unknown, or named twice.", odd)
	}
	if odd, ok := oddOne(c.desc.Capabilities, slices.Collect(maps.Keys(offers))); ok {
		c.failf("The capability %q is unknown, or named twice.", odd)
	}
}

// oddOne returns the first one that is not known or comes twice.
func oddOne[T comparable](all, known []T) (odd T, found bool) {
	for i, one := range all {
		if !slices.Contains(known, one) || slices.Contains(all[:i], one) {
			return one, true
		}
	}
	return odd, false
}

// property is what the suite reads of a schema's property.
type property struct {
	Title, Description string
	Type               any
	WriteOnly          bool `json:"writeOnly"`
	Endpoint           bool `json:"x-haul-endpoint"`
}

// propertiesOf returns the properties of a schema, whatever else is wrong with it.
func propertiesOf(raw []byte) map[string]property {
	var s struct{ Properties map[string]property }
	if json.Unmarshal(raw, &s) != nil {
		return nil
	}
	return s.Properties
}

// readSchema returns the properties of a schema that is as it should be.
func (c *C) readSchema(what string, raw []byte) map[string]property {
	if _, err := schema.Compile(raw); err != nil {
		c.failf("The %s schema does not compile: %v.", what, err)
	}
	var s struct {
		Type                 string
		Properties           map[string]property
		AdditionalProperties any
	}
	c.must("The schema", json.Unmarshal(raw, &s))
	if s.Type != "object" {
		c.failf(`The %s schema is of the type %q, not "object".`, what, s.Type)
	}
	if s.AdditionalProperties != false {
		c.failf(`The %s schema does not say "additionalProperties": false.`, what)
	}
	for name, p := range s.Properties {
		if p.Title == "" || p.Description == "" {
			c.failf("The property %q of the %s schema lacks a title or a description.", name, what)
		}
	}
	return s.Properties
}

// atOnceMeans allows for a machine that has other things to do.
const atOnceMeans = 3 * time.Second

func describeAtAnyTime(c *C) {
	fresh, err := c.launch(c.ctx, c.said)
	c.must("Start", err)
	defer func() { c.note(fresh.end(c.ctx, nil)) }()
	for when, p := range map[string]downloader.Plugin{"before": fresh.plugin, "after": c.main.session.plugin} {
		began := time.Now()
		d, err := p.Describe(c.within(checkTimeout))
		c.must("Describe "+when+" Configure", err)
		if took := time.Since(began); took > atOnceMeans {
			c.failf("Describe %s Configure took %s.", when, took.Round(time.Millisecond))
		}
		if !reflect.DeepEqual(d, c.desc) {
			c.failf("Describe %s Configure answers otherwise than at first.", when)
		}
	}
}

// offers tries the optional parts, each with a job that nobody has. The error
// is errs.NotOffered where the part is not there.
var offers = map[downloader.Capability]func(ctx context.Context, d downloader.Driver, ref downloader.Ref) error{
	downloader.CapabilityTest: part(func(ctx context.Context, d downloader.Tester, _ downloader.Ref) error {
		_, err := d.Test(ctx)
		return err
	}),
	downloader.CapabilityList: part(func(ctx context.Context, d downloader.Lister, _ downloader.Ref) error {
		_, err := d.List(ctx)
		return err
	}),
	downloader.CapabilityWatch: part(func(ctx context.Context, d downloader.Watcher, _ downloader.Ref) error {
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		return d.Watch(ctx, func([]downloader.Status) {})
	}),
	downloader.CapabilityPause: part(func(ctx context.Context, d downloader.Pauser, ref downloader.Ref) error {
		if err := d.Pause(ctx, ref); errs.Is(err, errs.NotOffered) {
			return err
		}
		return d.Resume(ctx, ref)
	}),
	downloader.CapabilitySelectFiles: part(func(ctx context.Context, d downloader.FileSelector, ref downloader.Ref) error {
		return d.SelectFiles(ctx, ref, []int{0})
	}),
	downloader.CapabilitySetLimits: part(func(ctx context.Context, d downloader.Limiter, ref downloader.Ref) error {
		return d.SetLimits(ctx, ref, downloader.Limits{})
	}),
}

// part makes a function of a call to an optional interface.
func part[T any](call func(context.Context, T, downloader.Ref) error) func(context.Context, downloader.Driver, downloader.Ref) error {
	return func(ctx context.Context, d downloader.Driver, ref downloader.Ref) error {
		offered, ok := d.(T)
		if !ok {
			return errs.New(errs.NotOffered, "The driver does not have that interface.")
		}
		return call(ctx, offered, ref)
	}
}

func describeCapabilities(c *C) {
	nobody := downloader.Ref{JobID: c.newID(), Version: 1}
	for capability, try := range offers {
		err := try(c.within(orderTimeout), c.main.driver, nobody)
		c.note(err)
		declared := slices.Contains(c.desc.Capabilities, capability)
		if offered := !errs.Is(err, errs.NotOffered); offered != declared {
			c.failf("The capability %q: declared %v, there %v.", capability, declared, offered)
		}
	}
}

// fields lists what an error says of single fields.
func (c *C) fields(err error) string {
	var b strings.Builder
	for _, f := range fieldsOf(err) {
		fmt.Fprintf(&b, " [%s %s]", f.Name, f.Message)
	}
	return b.String()
}
