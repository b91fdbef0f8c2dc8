package pluginhost

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

// maxLinks is how many symbolic links a plugin's path may have.
const maxLinks = 40

// checkTrust refuses a plugin that others than root and haul's own user can
// replace: through the file, its folder, any folder above, or a link on the way.
//
// Folders above the plugin's own may be writable by anybody when they are
// sticky, as /tmp is: there nobody can rename or remove what is another's. In the
// plugin's own folder that would not do, since anybody could add a plugin.
// Write access of a group is taken as granted on purpose.
func checkTrust(path string) error {
	return trustWalk{uid: os.Geteuid(), lstat: os.Lstat}.check(path)
}

// trustWalk is one such check.
type trustWalk struct {
	uid   int
	lstat func(string) (fs.FileInfo, error)
}

// check goes down from the root to the file, as the kernel does.
func (w trustWalk) check(path string) error {
	const slash = string(filepath.Separator)
	root := filepath.VolumeName(path) + slash
	at, rest := root, strings.TrimPrefix(filepath.Clean(path), root)
	if err := w.checkFolder(at, false); err != nil {
		return err
	}
	for links := 0; rest != ""; {
		name, after, more := strings.Cut(rest, slash)
		next := filepath.Join(at, name)
		info, err := w.lstat(next)
		if err != nil {
			return errUnreadable(err)
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			// The file comes last, its folder before it.
			if err := w.checkOne(next, info, more && !strings.Contains(after, slash)); err != nil {
				return err
			}
			at, rest = next, after
			continue
		}
		if links++; links > maxLinks {
			return errs.New(errs.PluginUntrusted, "The path of the plugin has more than %d symbolic links.", maxLinks)
		}
		if err := w.checkOwner("link", next, info); err != nil {
			return err
		}
		target, err := os.Readlink(next)
		if err != nil {
			return errUnreadable(err)
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		at, rest = root, strings.TrimPrefix(filepath.Join(target, after), root)
	}
	return nil
}

func (w trustWalk) checkFolder(path string, own bool) error {
	info, err := w.lstat(path)
	if err != nil {
		return errUnreadable(err)
	}
	return w.checkOne(path, info, own)
}

// checkOne checks a file or folder; own says that it is the plugin's own folder.
func (w trustWalk) checkOne(path string, info fs.FileInfo, own bool) error {
	what := "file"
	if info.IsDir() {
		what = "folder"
	}
	if err := w.checkOwner(what, path, info); err != nil {
		return err
	}
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0
	if info.Mode().Perm()&0o002 == 0 || sticky && !own {
		return nil
	}
	return errs.New(errs.PluginUntrusted, "The %s %s can be written by anybody.", what, path).
		WithHint("Run: chmod o-w %s", quote(path))
}

// checkOwner refuses what a stranger owns: the owner can write whatever the mode says.
func (w trustWalk) checkOwner(what, path string, info fs.FileInfo) error {
	uid, known := ownerOf(info)
	if !known || uid == 0 || uid == w.uid {
		return nil
	}
	command := "chown root"
	if what == "link" {
		command = "chown -h root"
	}
	return errs.New(errs.PluginUntrusted, "The %s %s belongs to user %d, who is neither root nor the user that haul runs as.", what, path, uid).
		WithHint("Run: %s %s", command, quote(path))
}

// quote makes a path safe to be pasted into a shell.
func quote(path string) string {
	if strings.IndexFunc(path, func(c rune) bool {
		return !strings.ContainsRune("/._-+@:,%=", c) && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z')
	}) < 0 {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
