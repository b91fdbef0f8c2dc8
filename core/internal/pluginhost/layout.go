package pluginhost

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/haul-dl/haul/sdk/errs"
)

var (
	pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)
	fileName   = regexp.MustCompile(`^haul-(downloader|storage)-([a-z0-9][a-z0-9-]{0,63})$`)
)

// place is where a plugin may be:
//
//	DIR/haul-KIND-NAME
//	DIR/NAME/VERSION/haul-KIND-NAME
type place struct {
	key
	path    string
	version string // of the second form, "" for the first
	order   int    // among all places; the first directory's come first
}

// places looks for files with a plugin's name. An error means that a directory
// could not be read; the places in the others are valid.
func places(dirs []string) ([]place, error) {
	var out []place
	var failed error
	for _, dir := range dirs {
		found, err := placesIn(dir)
		out = append(out, found...)
		failed = errors.Join(failed, err)
	}
	for i := range out {
		out[i].order = i
	}
	return out, failed
}

func placesIn(dir string) ([]place, error) {
	entries, err := readDir(dir)
	if err != nil {
		return nil, err
	}
	var out []place
	var failed error
	for _, e := range entries {
		if m := fileName.FindStringSubmatch(e.Name()); m != nil {
			out = append(out, place{key: key{Kind(m[1]), m[2]}, path: filepath.Join(dir, e.Name())})
		} else if pluginName.MatchString(e.Name()) && isFolder(dir, e) {
			found, err := versionsIn(dir, e.Name())
			out = append(out, found...)
			failed = errors.Join(failed, err)
		}
	}
	return out, failed
}

func versionsIn(dir, name string) ([]place, error) {
	entries, err := readDir(filepath.Join(dir, name))
	if err != nil {
		return nil, err
	}
	var out []place
	for _, e := range entries {
		if semantic(e.Name()) == "" || !isFolder(filepath.Join(dir, name), e) {
			continue
		}
		for _, kind := range []Kind{KindDownloader, KindStorage} {
			path := filepath.Join(dir, name, e.Name(), prefixOf(kind)+name)
			if _, err := os.Lstat(path); err == nil {
				out = append(out, place{key: key{kind, name}, path: path, version: e.Name()})
			}
		}
	}
	return out, nil
}

// readDir returns nothing of a directory that is not there.
func readDir(dir string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read plugin directory: %w", err)
	}
	return entries, nil
}

// isFolder reports whether the entry is one, or a link to one.
func isFolder(dir string, e os.DirEntry) bool {
	if e.Type()&fs.ModeSymlink == 0 {
		return e.IsDir()
	}
	info, err := os.Stat(filepath.Join(dir, e.Name()))
	return err == nil && info.IsDir()
}

// semantic returns a version as package semver wants it, "" where it is none.
func semantic(version string) string {
	v := "v" + strings.TrimPrefix(version, "v")
	if !semver.IsValid(v) {
		return ""
	}
	return v
}

// byPreference sorts candidates of one plugin, the one to use first: what can
// be used, before what failed at its last start, before what must not be
// started; then the newest; then what was found first. A version that is not
// semantic is that of its folder, and without one older than all.
func byPreference(candidates []candidate) {
	rank := func(c *candidate) int {
		switch {
		case c.Err == nil:
			return 0
		case c.blocked() == nil:
			return 1
		}
		return 2
	}
	version := func(c *candidate) string { return cmp.Or(semantic(c.Version), semantic(c.place.version)) }
	slices.SortFunc(candidates, func(a, b candidate) int {
		return cmp.Or(
			cmp.Compare(rank(&a), rank(&b)),
			semver.Compare(version(&b), version(&a)),
			cmp.Compare(a.place.order, b.place.order),
		)
	})
}

// pins are the SHA-256 that the files of some plugins must have, in lower case.
type pins map[string][]string

// check refuses what is not pinned where something is.
func (p pins) check(name, sum string) error {
	wanted, pinned := p[name]
	if !pinned || slices.Contains(wanted, sum) {
		return nil
	}
	return errs.New(errs.PluginUntrusted, "The file of plugin %s is not the pinned one: its SHA-256 is %s.", name, sum).
		WithHint("If you trust this file, add its SHA-256 to plugin_pins in the configuration, and restart haul; else put the pinned file there.")
}
