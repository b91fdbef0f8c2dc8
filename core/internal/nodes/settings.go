package nodes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// validateSettings checks a downloader's settings against the JSON Schema of
// its plugin; the errors name the fields.
func validateSettings(schema, settings []byte) error {
	if len(schema) == 0 {
		return nil
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(schema))
	if err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The plugin's settings schema is not valid JSON.")
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("settings.json", document); err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The plugin's settings schema is not valid.")
	}
	compiled, err := compiler.Compile("settings.json")
	if err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The plugin's settings schema is not valid.")
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(settings))
	if err != nil {
		return errs.New(errs.InvalidSettings, "The settings are not a JSON object.").WithField("settings", "is not valid JSON")
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](compiled.Validate(value))
	if !ok {
		return nil
	}
	out := errs.New(errs.InvalidSettings, "The settings do not fit the plugin.")
	var marks settingsSchema
	if err := json.Unmarshal(schema, &marks); err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The plugin's settings schema is not valid.")
	}
	printer := message.NewPrinter(language.English)
	for _, leaf := range leaves(invalid) {
		field := strings.Join(append([]string{"settings"}, leaf.InstanceLocation...), ".")
		why := "is not valid"
		if !marks.secret(leaf.InstanceLocation) {
			why = leaf.ErrorKind.LocalizedString(printer)
		}
		out = out.WithField(field, why)
	}
	return out
}

// secret reports whether a value must not be quoted.
func (s settingsSchema) secret(path []string) bool {
	if len(path) == 0 {
		return false
	}
	property, known := s.Properties[path[0]]
	return !known || property.WriteOnly || property.secret(path[1:])
}

// leaves returns the errors that have no finer ones below them.
func leaves(e *jsonschema.ValidationError) []*jsonschema.ValidationError {
	if len(e.Causes) == 0 {
		return []*jsonschema.ValidationError{e}
	}
	var out []*jsonschema.ValidationError
	for _, cause := range e.Causes {
		out = append(out, leaves(cause)...)
	}
	return out
}

// settingsSchema is the part of a JSON Schema that marks secrets.
type settingsSchema struct {
	WriteOnly  bool                      `json:"writeOnly"`
	Properties map[string]settingsSchema `json:"properties"`
}

// redactSettings hides the secrets. Without a schema it hides everything,
// since nobody can tell what is one.
func redactSettings(schema, settings []byte) json.RawMessage {
	var values map[string]any
	if len(settings) == 0 || json.Unmarshal(settings, &values) != nil {
		return json.RawMessage("{}")
	}
	var s settingsSchema
	if err := json.Unmarshal(schema, &s); err != nil {
		for name := range values {
			values[name] = core.RedactedSecret
		}
	}
	redact(s, values)
	return encode(values)
}

// redact hides what is marked, and what the schema does not name.
func redact(s settingsSchema, values map[string]any) {
	for name, value := range values {
		property, known := s.Properties[name]
		inner, nested := value.(map[string]any)
		switch {
		case !known || property.WriteOnly:
			values[name] = core.RedactedSecret
		case nested:
			redact(property, inner)
		}
	}
}

// mergeSettings returns the changed settings, in which a secret that came back
// as it was shown stays what it was.
func mergeSettings(old, changed []byte) ([]byte, error) {
	var before, after map[string]any
	if err := json.Unmarshal(changed, &after); err != nil || after == nil {
		return nil, errs.New(errs.InvalidSettings, "The settings are not a JSON object.").WithField("settings", "is not a JSON object")
	}
	if len(old) > 0 {
		if err := json.Unmarshal(old, &before); err != nil {
			return nil, fmt.Errorf("decode stored settings: %w", err)
		}
	}
	restore(before, after)
	return encode(after), nil
}

func restore(before, after map[string]any) {
	for name, value := range maps.Clone(after) {
		switch v := value.(type) {
		case string:
			if v != core.RedactedSecret {
				continue
			}
			if was, ok := before[name]; ok {
				after[name] = was
			} else {
				delete(after, name)
			}
		case map[string]any:
			inner, _ := before[name].(map[string]any)
			restore(inner, v)
		}
	}
}

func encode(values map[string]any) json.RawMessage {
	out, err := json.Marshal(values)
	if err != nil {
		return json.RawMessage("{}")
	}
	return out
}
