package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/haul-dl/haul/sdk/errs"
)

// binary is a plugin's file as it was when it was hashed.
type binary struct {
	path   string
	sha256 string
	info   fs.FileInfo
}

// readBinary checks that nobody but the operator can have written the file,
// and hashes it, unless it is the very file that known was made of.
func readBinary(path string, known binary) (binary, error) {
	f, err := os.Open(path)
	if err != nil {
		return binary{}, errUnreadable(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return binary{}, errUnreadable(err)
	}
	if err := checkExecutable(path, info); err != nil {
		return binary{}, err
	}
	if err := checkTrust(path, info); err != nil {
		return binary{}, err
	}
	if known.info != nil && sameFile(known.info, info) {
		return known, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return binary{}, errUnreadable(err)
	}
	return binary{path: path, sha256: hex.EncodeToString(h.Sum(nil)), info: info}, nil
}

// verify hashes the file again, before it is started.
func (b binary) verify() (binary, error) {
	now, err := readBinary(b.path, binary{})
	if err != nil {
		return binary{}, err
	}
	if now.sha256 != b.sha256 {
		return binary{}, errChanged()
	}
	return now, nil
}

func errUnreadable(err error) error {
	return errs.Wrap(err, errs.PluginMissing, "The plugin's file cannot be read.")
}

// stillSame reports whether the path still names the file that was hashed,
// unchanged. It is asked right after the start: between the hash and the start
// somebody could have put another file there.
func (b binary) stillSame() bool {
	now, err := os.Stat(b.path)
	return err == nil && sameFile(b.info, now)
}

func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

func errChanged() error {
	return errs.New(errs.PluginUntrusted, "The plugin's file has changed since it was checked.").
		WithHint("If you have replaced it, let haul look at the plugins again (haul plugin rescan).")
}

// checkTrust refuses a plugin that others than the operator can replace.
func checkTrust(path string, info fs.FileInfo) error {
	dirs := []string{filepath.Dir(path)}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return errUnreadable(err)
	}
	if d := filepath.Dir(resolved); d != dirs[0] {
		dirs = append(dirs, d)
	}
	if err := checkWritable("file", path, info); err != nil {
		return err
	}
	for _, dir := range dirs {
		fi, err := os.Stat(dir)
		if err != nil {
			return errs.Wrap(err, errs.PluginMissing, "The plugin's folder cannot be read.")
		}
		if err := checkWritable("folder", dir, fi); err != nil {
			return err
		}
	}
	return nil
}

func checkWritable(what, path string, info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 != 0 {
		return errs.New(errs.PluginUntrusted, "The plugin's %s can be written by anybody.", what).
			WithHint("Run: chmod o-w %s", path)
	}
	// A stranger's file would run with root's rights. Other users run what they like.
	if uid, ok := ownerOf(info); ok && os.Geteuid() == 0 && uid != 0 {
		return errs.New(errs.PluginUntrusted, "haul runs as root, and the plugin's %s belongs to user %d.", what, uid).
			WithHint("Run: chown root %s, or run haul as another user.", path)
	}
	return nil
}

// checkExecutable tells why a file of a plugin's name is no plugin.
func checkExecutable(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errs.New(errs.PluginIncompatible, "What has the plugin's name is not a file.").
			WithHint("Put the plugin's executable there, or remove it.")
	}
	if info.Mode().Perm()&0o111 == 0 {
		return errs.New(errs.PluginIncompatible, "The plugin's file is not executable.").
			WithHint("Run: chmod +x %s", path)
	}
	return nil
}
