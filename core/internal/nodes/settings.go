package nodes

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// applyToPlugin changes what only the plugin can judge: settings and options.
func (s *Service) applyToPlugin(d *core.Downloader, c *core.DownloaderChange) error {
	p := s.pluginOf(d)
	if p == nil {
		return errs.New(errs.PluginMissing, "There is no plugin %q on the node.", d.Plugin).WithField("plugin", "is not installed there")
	}
	if p.Failure != nil {
		return errs.New(p.Failure.Code, "Plugin %q cannot be used: %s", d.Plugin, p.Failure.Message).WithField("plugin", p.Failure.Message)
	}
	settings, err := p.changeSettings(d.Settings, c.Settings)
	if err != nil {
		return err
	}
	d.Settings = settings
	return p.changeOptions(d, c.Options)
}

// changeSettings lays changed settings over the old ones, and checks them; nil
// changes nothing.
func (p *knownPlugin) changeSettings(old, changed []byte) (json.RawMessage, error) {
	if changed == nil {
		return old, p.checkSettings(old)
	}
	merged, err := mergeSettings(old, changed)
	if err != nil {
		return nil, err
	}
	if err := p.secretsGivenAgain(old, changed); err != nil {
		return nil, err
	}
	return merged, p.checkSettings(merged)
}

// checkSettings holds settings against the plugin's schema; the errors name
// the fields.
func (p *knownPlugin) checkSettings(settings []byte) error {
	if p.settings == nil {
		return nil
	}
	wrong := p.settings.Validate(settings)
	if len(wrong) == 0 {
		return nil
	}
	e := errs.New(errs.InvalidSettings, "The settings do not fit the plugin.")
	e.Fields = schema.In("settings", wrong)
	return e
}

// secretsGivenAgain refuses to send secrets to another address than they were
// given for: who may change an address could otherwise read them there.
func (p *knownPlugin) secretsGivenAgain(old, changed []byte) error {
	if p.settings == nil || !moved(p.settings.Endpoints(old), p.settings.Endpoints(changed)) {
		return nil
	}
	given := p.settings.Secrets(changed)
	missing := errs.New(errs.InvalidSettings, "The secrets have to be given again: the address has changed.").
		WithHint("Send each secret with the new address; an empty one removes it.")
	known := p.settings.Secrets(old)
	for _, path := range slices.Sorted(maps.Keys(known)) {
		value, ok := given[path]
		if known[path] != `""` && (!ok || value == quotedRedaction) {
			missing = missing.WithField("settings."+path, "must be given again: the address has changed")
		}
	}
	if len(missing.Fields) == 0 {
		return nil
	}
	return missing
}

// quotedRedaction is core.RedactedSecret as the JSON encoder writes it.
const quotedRedaction = `"\u003csecret\u003e"`

// moved reports whether there is an endpoint that was not there before.
func moved(before, after map[string]string) bool {
	for path, value := range after {
		if before[path] != value {
			return true
		}
	}
	return false
}

func (p *knownPlugin) changeOptions(d *core.Downloader, changed []byte) error {
	if changed == nil {
		return nil
	}
	given, err := options.Parse(changed)
	if err != nil {
		return err
	}
	if given != nil && len(d.Options) > 0 {
		if given, err = mergeSettings(d.Options, given); err != nil {
			return err
		}
	}
	if err := p.rules.Check(given); err != nil {
		return err
	}
	d.Options = given
	return nil
}

// redact returns a downloader's settings and options without secrets. Of a
// plugin that is not there nobody can tell what is one.
func (p *knownPlugin) redact(d *core.Downloader) (settings, opts json.RawMessage) {
	var s *schema.Schema
	var rules *options.Rules
	if p != nil {
		s, rules = p.settings, p.rules
	}
	return s.Redact(d.Settings, core.RedactedSecret), rules.Redact(d.Options, core.RedactedSecret)
}

// mergeSettings returns the changed settings, in which a secret that came back
// as it was shown stays what it was.
func mergeSettings(old, changed []byte) (json.RawMessage, error) {
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
	out, err := json.Marshal(after)
	if err != nil {
		return nil, fmt.Errorf("encode settings: %w", err)
	}
	return out, nil
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
