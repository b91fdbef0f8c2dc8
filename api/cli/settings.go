package cli

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/sdk/errs"
)

// settingFlags are settings on a command line.
type settingFlags struct {
	texts, files, jsons []string
}

func (f *settingFlags) register(c *cobra.Command) {
	flags := c.Flags()
	flags.StringArrayVar(&f.texts, "set", nil, "a setting, as KEY=VALUE; may be repeated")
	flags.StringArrayVar(&f.files, "set-file", nil, "a setting whose value is in a file, as KEY=PATH: for secrets")
	flags.StringArrayVar(&f.jsons, "set-json", nil, "a setting that is no text, as KEY=JSON")
}

// downloaderFlags is what a command line says of a downloader.
type downloaderFlags struct {
	settingFlags

	name, plugin, node              string
	paths                           []string
	options                         optionFlags
	seed                            seedFlags
	enabled                         bool
	maxActive, weight, pollInterval int
}

func (f *downloaderFlags) register(c *cobra.Command) {
	flags := c.Flags()
	f.settingFlags.register(c)
	f.seed.register(c, "what private trackers expect")
	f.options.register(c, "an option of every job there")
	flags.StringArrayVar(&f.paths, "path-map", nil, "a folder as the daemon calls it and as the node does, as DAEMON=NODE; may be repeated, '' for none")
	flags.BoolVar(&f.enabled, "enabled", true, "whether it is used")
	flags.IntVar(&f.maxActive, "max-active", 0, "how many jobs run at once")
	flags.IntVar(&f.weight, "weight", 0, "its share among downloaders that suit as well")
	flags.IntVar(&f.pollInterval, "poll-interval", 0, "how often it is asked for progress, in seconds")
}

// settings puts together what the flags say; nil where they say nothing.
func (f *settingFlags) settings() (*json.RawMessage, error) {
	all := map[string]any{}
	for _, pair := range f.texts {
		key, value, err := cut(pair)
		if err != nil {
			return nil, err
		}
		all[key] = value
	}
	for _, pair := range f.files {
		key, text, err := readPair(pair)
		if err != nil {
			return nil, err
		}
		all[key] = text
	}
	for _, pair := range f.jsons {
		key, value, err := cut(pair)
		if err != nil {
			return nil, err
		}
		if !json.Valid([]byte(value)) {
			return nil, usagef("the value of %s is not JSON", key)
		}
		all[key] = json.RawMessage(value)
	}
	if len(all) == 0 {
		return nil, nil
	}
	return encode(all)
}

// readPair reads KEY=PATH; the line end of the file's text does not count.
func readPair(pair string) (key, text string, err error) {
	key, path, err := cut(pair)
	if err != nil {
		return "", "", err
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", "", errs.Wrap(err, errs.InvalidRequest, "The file %s cannot be read.", path).WithHint("%v", err)
	}
	return key, strings.TrimRight(string(content), "\r\n"), nil
}

func cut(pair string) (key, value string, err error) {
	key, value, ok := strings.Cut(pair, "=")
	if !ok || key == "" {
		return "", "", usagef("%q is not KEY=VALUE", pair)
	}
	return key, value, nil
}

// overlay lays changed settings, or options, over those that a downloader has.
// Secrets come redacted, and stay when they are sent back so; null removes.
func overlay(present json.RawMessage, changes *json.RawMessage) (*json.RawMessage, error) {
	if changes == nil {
		return nil, nil
	}
	all := map[string]any{}
	for _, layer := range []json.RawMessage{present, *changes} {
		if err := json.Unmarshal(layer, &all); err != nil {
			return nil, errs.Wrap(err, errs.InvalidSettings, "The settings cannot be read.")
		}
	}
	maps.DeleteFunc(all, func(_ string, value any) bool { return value == nil })
	return encode(all)
}

func encode(settings map[string]any) (*json.RawMessage, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		return nil, errs.Wrap(err, errs.InvalidSettings, "The settings cannot be written as JSON.")
	}
	raw := json.RawMessage(text)
	return &raw, nil
}

// compact shows JSON on one line, as people write it.
func compact(raw json.RawMessage) string {
	var value any
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if json.Unmarshal(raw, &value) != nil || enc.Encode(value) != nil {
		return string(raw)
	}
	return strings.TrimSpace(buf.String())
}
