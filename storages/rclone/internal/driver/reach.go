package driver

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/fspath"

	"github.com/haul-dl/haul/sdk/errs"
)

// wrappers are the types that keep files in other remotes, which the named
// options tell.
var wrappers = map[string][]string{
	"alias":    {"remote"},
	"chunker":  {"remote"},
	"combine":  {"upstreams"},
	"compress": {"remote"},
	"crypt":    {"remote"},
	"hasher":   {"remote"},
	"union":    {"upstreams", "remotes"},
}

// programs are options that name a program to run on the node.
var programs = []string{"ssh", "bearer_token_command"}

// inConnection matches them, and local folders, in a connection string.
var inConnection = regexp.MustCompile(`:local\b|\b(ssh|bearer_token_command)=`)

func isWrapper(kind string) bool { return wrappers[kind] != nil }

// checkReach refuses a remote that leads, by itself or through those that it
// wraps, to the node's own disk, or that would run programs there. Backend
// local is not even linked: this is for a clear message before the first use.
func checkReach(all sections, remote string) error {
	parsed, err := fspath.Parse(remote)
	if err != nil {
		return invalid("The path is not one that rclone takes.").WithField("path", "is not valid")
	}
	seen := []string{}
	todo := []string{parsed.Name}
	for len(todo) > 0 {
		name := todo[0]
		todo = todo[1:]
		if slices.Contains(seen, name) {
			continue
		}
		seen = append(seen, name)
		next, err := checkSection(all[name], settingOf(name))
		if err != nil {
			return err
		}
		todo = append(todo, next...)
	}
	return nil
}

// settingOf returns the setting that a section's trouble is shown at.
func settingOf(name string) string {
	if name == directName {
		return "type"
	}
	return "remote"
}

// checkSection returns the names of the remotes that a section wraps.
func checkSection(section map[string]string, field string) ([]string, error) {
	for _, option := range programs {
		if section[option] != "" {
			return nil, invalid("A storage may not run programs on the node.").WithField(field, "uses the option "+option)
		}
	}
	info, err := fs.Find(section["type"])
	if err != nil {
		return nil, unknownType(field, section["type"])
	}
	var next []string
	for _, option := range wrappers[info.Name] {
		for _, target := range targets(info.Name, section[option]) {
			name, err := checkTarget(target, field)
			if err != nil {
				return nil, err
			}
			next = append(next, name)
		}
	}
	return slices.DeleteFunc(next, func(name string) bool { return name == "" }), nil
}

// targets splits the value of a wrapper's option into remotes.
func targets(kind, value string) []string {
	if kind != "union" && kind != "combine" {
		return []string{value}
	}
	var list fs.SpaceSepList
	if list.Set(value) != nil {
		return []string{value}
	}
	if kind == "combine" {
		for i, pair := range list {
			if _, remote, ok := strings.Cut(pair, "="); ok {
				list[i] = remote
			}
		}
	}
	return list
}

// checkTarget returns the name of a configured remote, "" for a connection
// string of its own.
func checkTarget(target, field string) (string, error) {
	if inConnection.MatchString(target) {
		return "", localRefused(field)
	}
	parsed, err := fspath.Parse(target)
	switch {
	case err != nil:
		return "", invalid("A remote inside of the remote is not valid.").WithField(field, "wraps a remote that is not valid")
	case parsed.Name == "":
		return "", localRefused(field)
	case strings.HasPrefix(parsed.Name, ":"):
		return "", nil
	}
	return parsed.Name, nil
}

func localRefused(field string) error {
	return errs.New(errs.InvalidSettings, "rclone may not write to the node's own disk, nor run programs there.").
		WithField(field, "leads to the node itself").
		WithHint("For a folder of the node add a storage of kind local.")
}
