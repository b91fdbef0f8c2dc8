package options

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxRate keeps rates where every program counts exactly.
const maxRate = 1 << 53

// Bounds of what an error repeats.
const (
	maxFields = 32
	maxShown  = 64
)

func shorten(key string) string {
	key = strings.ToValidUTF8(key, "?")
	if r := []rune(key); len(r) > maxShown {
		return string(r[:maxShown]) + "…"
	}
	return key
}

// withLimits returns the plugin's schema with the options that haul itself
// knows. One that leaves open what else may be set is closed: what is not
// named is not allowed.
func withLimits(d *downloader.Description) ([]byte, error) {
	all := map[string]any{"type": "object"}
	if len(d.OptionsSchema) > 0 {
		if err := json.Unmarshal(d.OptionsSchema, &all); err != nil || all == nil {
			return nil, errs.Wrap(err, errs.PluginIncompatible, "The options schema of plugin %q is not an object.", d.Name)
		}
	}
	properties, ok := all["properties"].(map[string]any)
	if !ok {
		properties = map[string]any{}
	}
	for key, title := range map[string]string{DownloadLimit: "Download limit", UploadLimit: "Upload limit"} {
		delete(properties, key)
		if slices.Contains(d.Capabilities, downloader.CapabilitySetLimits) {
			properties[key] = map[string]any{
				"type": "integer", "minimum": 0, "maximum": maxRate, "title": title,
				"description": title + " of the job in bytes per second; 0 is no limit. It can change while the job runs.",
			}
		}
	}
	all["properties"] = properties
	if _, closed := all["unevaluatedProperties"]; !closed {
		if _, closed = all["additionalProperties"]; !closed {
			all["additionalProperties"] = false
		}
	}
	return json.Marshal(all)
}
