package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/obscure"
	"github.com/rclone/rclone/fs/fspath"

	"github.com/haul-dl/haul/sdk/errs"
)

// directName is what the remote of the direct form is called.
const directName = "haul"

// maxConfig is how long an rclone.conf may be.
const maxConfig = 1 << 20

// settings are what settingsSchema describes.
type settings struct {
	Remote         string                     `json:"remote"`
	Config         string                     `json:"config"`
	ConfigFile     string                     `json:"config_file"`
	ConfigPassword string                     `json:"config_password"`
	Type           string                     `json:"type"`
	Path           string                     `json:"path"`
	Options        map[string]json.RawMessage `json:"options"`
}

func parseSettings(raw []byte) (settings, error) {
	var s settings
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, undecodable(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return s, errs.New(errs.InvalidSettings, "The settings of rclone are not one JSON object.")
	}
	return s, s.check()
}

// undecodable does not wrap the cause, which may quote a secret.
func undecodable(err error) error {
	e := invalid("The settings of rclone are not valid.").
		WithHint("There are config, config_file, config_password and remote, or type, options and path.")
	if te, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && te.Field != "" {
		return e.WithField(te.Field, "must not be a "+te.Value)
	}
	return e
}

func invalid(format string, args ...any) *errs.Error {
	return errs.New(errs.InvalidSettings, format, args...).WithHint("Correct the storage's settings; docs/storages/rclone.md has examples.")
}

func (s *settings) check() error {
	given := 0
	for _, v := range []string{s.Config, s.ConfigFile, s.Type} {
		if v != "" {
			given++
		}
	}
	switch {
	case given == 0:
		return invalid("There is neither a configuration of rclone nor a type.").WithField("type", "is required, or else config or config_file")
	case given > 1:
		return invalid("Only one of config, config_file and type can be given.").WithField("type", "goes without config and config_file")
	case s.Type != "":
		return s.checkDirect()
	case s.Remote == "":
		return invalid("The settings do not say which remote to use.").WithField("remote", "is required with a configuration")
	case s.Path != "" || len(s.Options) > 0:
		return invalid("The options and the path of a configured remote are in its configuration.").WithField("remote", "takes the path, as in \"name:path\"")
	case s.ConfigFile != "" && !filepath.IsAbs(s.ConfigFile):
		return invalid("The path of the configuration is not absolute.").WithField("config_file", "must be an absolute path")
	}
	return nil
}

func (s *settings) checkDirect() error {
	if s.Remote != "" || s.ConfigPassword != "" {
		return invalid("A remote and a password belong to a configuration of rclone.").WithField("remote", "goes with config or config_file only")
	}
	return nil
}

// sections returns the sections of an rclone.conf that the settings mean, and
// the remote to open.
func (s *settings) sections() (sections, string, error) {
	if s.Type != "" {
		return s.direct()
	}
	text := []byte(s.Config)
	field := "config"
	if s.ConfigFile != "" {
		field = "config_file"
		var err error
		if text, err = readConfigFile(s.ConfigFile); err != nil {
			return nil, "", err
		}
	}
	parsed, err := parseConfig(text, s.ConfigPassword, field)
	if err != nil {
		return nil, "", err
	}
	remote, err := configuredRemote(parsed, s.Remote)
	return parsed, remote, err
}

func readConfigFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		reason := "cannot be read"
		if errors.Is(err, os.ErrNotExist) {
			reason = "does not exist on the node"
		}
		return nil, errs.Wrap(err, errs.InvalidSettings, "The configuration of rclone cannot be read.").WithField("config_file", reason)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil || len(text) > maxConfig {
		return nil, errs.Wrap(err, errs.InvalidSettings, "The configuration of rclone cannot be read.").WithField("config_file", "is no configuration of rclone")
	}
	return text, nil
}

// configuredRemote checks that a remote is one of the configuration's, and not
// a folder or a connection string of its own.
func configuredRemote(all sections, remote string) (string, error) {
	parsed, err := fspath.Parse(remote)
	if err != nil || parsed.Name == "" || strings.HasPrefix(parsed.Name, ":") || len(parsed.Config) > 0 {
		return "", invalid("The remote is not of the form \"name:path\".").WithField("remote", "must be \"name:path\", with a name from the configuration")
	}
	section, ok := all[parsed.Name]
	if !ok {
		return "", invalid("The configuration of rclone has no remote of that name.").WithField("remote", "is not in the configuration")
	}
	if _, err := fs.Find(section["type"]); err != nil {
		return "", unknownType("remote", section["type"])
	}
	return remote, nil
}

func unknownType(field, name string) error {
	if name == "local" {
		return localRefused(field)
	}
	return invalid("There is no type of storage %q.", name).WithField(field, "is of a type that this plugin does not have")
}

func (s *settings) direct() (sections, string, error) {
	info, err := fs.Find(s.Type)
	if err != nil {
		return nil, "", unknownType("type", s.Type)
	}
	section := map[string]string{"type": info.Name}
	for name, raw := range s.Options {
		o := info.Options.Get(name)
		if o == nil {
			return nil, "", invalid("The type %s has no option %q.", s.Type, name).WithField("options."+name, "is no option of this type")
		}
		value, err := optionValue(raw)
		if err != nil {
			return nil, "", invalid("An option is not valid.").WithField("options."+name, err.Error())
		}
		if err := checkOption(o, value); err != nil {
			return nil, "", invalid("An option is not valid.").WithField("options."+name, "is not a value that rclone takes")
		}
		if section[name] = value; o.IsPassword && value != "" {
			section[name] = obscure.MustObscure(value)
		}
	}
	return sections{directName: section}, directName + ":" + s.Path, nil
}

func optionValue(raw json.RawMessage) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text, nil
	}
	if plain := strings.TrimSpace(string(raw)); !strings.ContainsAny(plain, "{[") && plain != "null" {
		return plain, nil
	}
	return "", errors.New("must be a string, a number or a boolean")
}

// checkOption tries whether a value fits the option's type.
func checkOption(o *fs.Option, value string) error {
	trial := *o
	if err := trial.Set(value); err != nil {
		return fmt.Errorf("option %s: %w", o.Name, err)
	}
	return nil
}
