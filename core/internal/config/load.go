package config

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
)

// loader puts a configuration together and collects what is wrong with it.
type loader struct {
	Sources
	config   *Config
	mistakes []mistake
}

// put sets a value; where says where it was found.
func (l *loader) put(s *setting, where string, values ...string) {
	if err := s.set(l.config, values); err != nil {
		l.mistakes = append(l.mistakes, mistake{where, s.key, err.Error()})
		return
	}
	l.config.origins[s.key] = where
}

func (l *loader) defaults() {
	for _, s := range settings() {
		if s.value != "" {
			l.put(&s, "default", s.value)
		}
	}
	l.config.Data = defaultData(l.LookupEnv, os.Geteuid())
	l.config.origins[keyData] = "default"
}

// defaultData follows the file system hierarchy for root, else the XDG base
// directories; it is empty where not even a home is known.
func defaultData(lookupEnv func(string) (string, bool), uid int) string {
	if uid == 0 {
		return "/var/lib/haul"
	}
	if dir, _ := lookupEnv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "haul")
	}
	if home, _ := lookupEnv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "haul")
	}
	return ""
}

// readEnvironment takes variables that are set and not empty: an empty one is
// how many tools unset it.
func (l *loader) readEnvironment() {
	for _, s := range settings() {
		v, _ := l.LookupEnv(s.env())
		switch {
		case v == "":
		case s.isList():
			l.put(&s, s.env(), filepath.SplitList(v)...)
		default:
			l.put(&s, s.env(), v)
		}
	}
}

func (l *loader) readFlags() {
	for _, s := range settings() {
		f := l.Flags.Lookup(s.flag())
		if s.secret || f == nil || !f.Changed {
			continue
		}
		where := "--" + s.flag()
		if many, ok := f.Value.(pflag.SliceValue); ok {
			l.put(&s, where, many.GetSlice()...)
		} else {
			l.put(&s, where, f.Value.String())
		}
	}
}

// absolutePaths frees the configuration from the working directory, which
// plugins do not share.
func (l *loader) absolutePaths() {
	l.config.Data = l.absolute(keyData, l.config.Data)
	if l.config.Downloads == "" && l.config.Data != "" {
		l.config.Downloads = filepath.Join(l.config.Data, "node", "jobs")
		l.config.origins[keyDownloads] = "default"
	}
	l.config.Downloads = l.absolute(keyDownloads, l.config.Downloads)
	for i, dir := range l.config.Plugins {
		l.config.Plugins[i] = l.absolute(keyPlugins, dir)
	}
}

func (l *loader) absolute(key, path string) string {
	if path == "" {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		l.mistakes = append(l.mistakes, mistake{l.config.origins[key], key, fmt.Sprintf("cannot be made absolute: %v", err)})
	}
	return abs
}
