package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/hashicorp/go-hclog"
)

// watcher tells when something has changed in the plugin directories, once
// it has been quiet for a while: a file that is still being copied is no plugin
// yet. A directory that is not there is waited for at the nearest one that is.
type watcher struct {
	dirs    []string
	quiet   time.Duration
	log     hclog.Logger
	notify  *fsnotify.Watcher
	watched map[string]bool // the directories that are watched
	rescan  func(context.Context) (again bool)
}

// newWatcher makes a watcher that calls rescan, which says whether a file was
// still being written, so that it shall look again.
func newWatcher(dirs []string, quiet time.Duration, log hclog.Logger, rescan func(context.Context) bool) (*watcher, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch plugin directories: %w", err)
	}
	w := &watcher{dirs: dirs, quiet: quiet, log: log, notify: notify, watched: map[string]bool{}, rescan: rescan}
	w.sync()
	return w, nil
}

// run ends with ctx.
func (w *watcher) run(ctx context.Context) {
	defer func() {
		if err := w.notify.Close(); err != nil {
			w.log.Warn("close the watch of plugin directories", "err", err)
		}
	}()
	timer := time.NewTimer(w.quiet)
	timer.Stop()
	defer timer.Stop()
	for {
		select {
		case e := <-w.notify.Events:
			if w.concerns(e) {
				timer.Reset(w.quiet)
			}
		case err := <-w.notify.Errors:
			// Mostly an overflow: something was missed.
			w.log.Warn("watch of plugin directories", "err", err)
			timer.Reset(w.quiet)
		case <-timer.C:
			// What is made after sync is told, what was made before is found.
			w.sync()
			if w.rescan(ctx) {
				timer.Reset(w.quiet)
			}
		case <-ctx.Done():
			return
		}
	}
}

// concerns reports whether an event may change what the catalogue finds.
func (w *watcher) concerns(e fsnotify.Event) bool {
	for _, dir := range w.dirs {
		if e.Name == dir || strings.HasPrefix(dir, e.Name+string(filepath.Separator)) {
			return true // the directory itself, or one above that was waited for
		}
		rel, err := filepath.Rel(dir, e.Name)
		if err != nil || !filepath.IsLocal(rel) {
			continue
		}
		parts := strings.Split(rel, string(filepath.Separator))
		switch len(parts) {
		case 1:
			return fileName.MatchString(parts[0]) || pluginName.MatchString(parts[0])
		case 2:
			return semantic(parts[1]) != ""
		default:
			return parts[2] == prefixOf(KindDownloader)+parts[0] || parts[2] == prefixOf(KindStorage)+parts[0]
		}
	}
	return false
}

// sync watches what there is now.
func (w *watcher) sync() {
	want := w.wanted()
	for dir := range w.watched {
		if !slices.Contains(want, dir) {
			// It fails for one that is gone, whose watch has ended by itself.
			_ = w.notify.Remove(dir)
			delete(w.watched, dir)
		}
	}
	for _, dir := range want {
		// Again for those that are watched: another directory may have their name now.
		err := w.notify.Add(dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) && !w.watched[dir] {
			w.log.Warn("plugin directory cannot be watched; use haul plugin rescan", "path", dir, "err", err)
		}
		w.watched[dir] = err == nil
	}
}

// wanted returns the directories to watch: those of plugins, of their versions,
// and in place of one that is missing the nearest above it.
func (w *watcher) wanted() []string {
	var out []string
	for _, dir := range w.dirs {
		at := dir
		for !isDir(at) && filepath.Dir(at) != at {
			at = filepath.Dir(at)
		}
		out = append(out, at)
		if at == dir {
			out = append(out, foldersOfVersions(dir)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func foldersOfVersions(dir string) []string {
	var out []string
	for _, name := range foldersIn(dir, pluginName.MatchString) {
		out = append(out, name)
		out = append(out, foldersIn(name, func(v string) bool { return semantic(v) != "" })...)
	}
	return out
}

func foldersIn(dir string, named func(string) bool) []string {
	entries, _ := os.ReadDir(dir) // one that cannot be read is the scan's trouble
	var out []string
	for _, e := range entries {
		if named(e.Name()) && isFolder(dir, e) {
			out = append(out, filepath.Join(dir, e.Name()))
		}
	}
	return out
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
