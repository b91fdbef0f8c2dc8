// Package options checks what admins and users may set for jobs: the options
// that a plugin lets through, and the limits that haul itself knows.
package options

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// The options that mean the same at every downloader which can limit jobs.
// Both are in bytes per second; 0 is no limit.
const (
	DownloadLimit = "download_limit"
	UploadLimit   = "upload_limit"
)

// MaxSize is how long options may be, in bytes.
const MaxSize = 64 << 10

// field is where options are in every request.
const field = "options"

// Parse reads options into their shortest form: an object's keys in order, nil
// without any. What is no JSON object, or too long, is errs.InvalidOptions.
func Parse(raw []byte) (json.RawMessage, error) {
	values, err := decode(raw)
	if err != nil {
		return nil, err
	}
	return encode(values)
}

func decode(raw []byte) (map[string]json.RawMessage, error) {
	if len(raw) > MaxSize {
		return nil, invalid(fmt.Sprintf("have more than %d bytes", MaxSize))
	}
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil || values == nil {
		return nil, invalid("must be an object")
	}
	return values, nil
}

func encode(values map[string]json.RawMessage) (json.RawMessage, error) {
	if len(values) == 0 {
		return nil, nil
	}
	out, err := json.Marshal(values)
	if err != nil {
		return nil, invalid("are not valid JSON")
	}
	if len(out) > MaxSize {
		return nil, invalid(fmt.Sprintf("have more than %d bytes", MaxSize))
	}
	return out, nil
}

func invalid(why string) error {
	return errs.New(errs.InvalidOptions, "The options %s.", why).WithField(field, why)
}

// Merge lays options over others: those of the same key are replaced, and null
// removes one. A secret that comes back as it was shown stays what it was.
func Merge(under, over []byte) (json.RawMessage, error) {
	values, err := decode(under)
	if err != nil {
		return nil, err
	}
	changes, err := decode(over)
	if err != nil {
		return nil, err
	}
	merged := maps.Clone(values)
	if merged == nil {
		merged = map[string]json.RawMessage{}
	}
	for key, value := range changes {
		switch {
		case string(value) == "null":
			delete(merged, key)
		case isRedacted(value) && merged[key] != nil:
		default:
			merged[key] = value
		}
	}
	return encode(merged)
}

func isRedacted(value json.RawMessage) bool {
	var text string
	return json.Unmarshal(value, &text) == nil && text == core.RedactedSecret
}

// Changed returns the keys whose values differ between two options, sorted.
func Changed(a, b []byte) ([]string, error) {
	before, err := decode(a)
	if err != nil {
		return nil, err
	}
	after, err := decode(b)
	if err != nil {
		return nil, err
	}
	keys := map[string]bool{}
	for key, value := range before {
		if other, ok := after[key]; !ok || !bytes.Equal(value, other) {
			keys[key] = true
		}
	}
	for key := range after {
		if _, ok := before[key]; !ok {
			keys[key] = true
		}
	}
	return slices.Sorted(maps.Keys(keys)), nil
}

// IsLimit reports whether the key is one of those that haul itself knows.
func IsLimit(key string) bool { return key == DownloadLimit || key == UploadLimit }

// Split parts options that were checked into those for the plugin and the
// limits of the job.
func Split(raw []byte) (json.RawMessage, downloader.Limits, error) {
	values, err := decode(raw)
	if err != nil {
		return nil, downloader.Limits{}, err
	}
	var limits downloader.Limits
	for key, to := range map[string]*int64{DownloadLimit: &limits.DownloadRate, UploadLimit: &limits.UploadRate} {
		value, ok := values[key]
		if !ok {
			continue
		}
		delete(values, key)
		var rate float64 // JSON Schema takes 1e6 for an integer, too
		if err := json.Unmarshal(value, &rate); err != nil || rate < 0 || rate > maxRate {
			return nil, downloader.Limits{}, errs.New(errs.InvalidOptions, "The options are not valid.").WithField(field+"."+key, "is no rate")
		}
		*to = int64(rate)
	}
	rest, err := encode(values)
	return rest, limits, err
}

// Rules are what one plugin takes. They may be used concurrently.
type Rules struct {
	name     string
	reserved []string
	limits   bool
	text     []byte
	compiled *schema.Schema
}

// NewRules reads what a plugin says of its options.
func NewRules(d *downloader.Description) (*Rules, error) {
	text, err := withLimits(d)
	if err != nil {
		return nil, err
	}
	compiled, err := schema.Compile(text)
	if err != nil {
		return nil, errs.Wrap(err, errs.PluginIncompatible, "The options schema of plugin %q is not valid.", d.Name)
	}
	return &Rules{
		name: d.Name, reserved: slices.Clone(d.ReservedOptions), text: text, compiled: compiled,
		limits: slices.Contains(d.Capabilities, downloader.CapabilitySetLimits),
	}, nil
}

// Schema returns a JSON Schema of all options, those of haul itself included.
func (r *Rules) Schema() []byte { return r.text }

// Redact returns options with placeholder in place of secrets. Nil Rules know
// none and hide everything.
func (r *Rules) Redact(raw []byte, placeholder string) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	if r == nil {
		return (*schema.Schema)(nil).Redact(raw, placeholder)
	}
	return r.compiled.Redact(raw, placeholder)
}

// Check says what is wrong with options: errs.OptionNotAllowed for reserved
// ones, errs.NotOffered for limits that the plugin cannot keep, else
// errs.InvalidOptions. The fields are named "options.KEY".
func (r *Rules) Check(raw []byte) error {
	values, err := decode(raw)
	if err != nil || len(values) == 0 {
		return err
	}
	if err := r.checkReserved(values); err != nil {
		return err
	}
	for _, key := range []string{DownloadLimit, UploadLimit} {
		if _, ok := values[key]; ok && !r.limits {
			return errs.New(errs.NotOffered, "Downloaders of plugin %q cannot limit a single job.", r.name).
				WithField(field+"."+key, "is not offered").
				WithHint("Leave it out, or choose another downloader.")
		}
	}
	wrong := r.compiled.Validate(raw)
	if len(wrong) == 0 {
		return nil
	}
	e := errs.New(errs.InvalidOptions, "The options do not fit plugin %q.", r.name)
	e.Fields = schema.In(field, wrong)
	return e
}

func (r *Rules) checkReserved(values map[string]json.RawMessage) error {
	var refused *errs.Error
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !downloader.IsReserved(r.reserved, key) {
			continue
		}
		if refused == nil {
			refused = errs.New(errs.OptionNotAllowed, "The option %q may not be set.", shorten(key))
		}
		if len(refused.Fields) < maxFields {
			refused = refused.WithField(field+"."+shorten(key), "may not be set")
		}
	}
	if refused == nil {
		return nil
	}
	return refused
}
