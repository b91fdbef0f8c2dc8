package pluginhost

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

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
	f, info, err := openTrusted(path)
	if err != nil {
		return binary{}, err
	}
	defer f.Close()
	if known.info != nil && sameFile(known.info, info) {
		return known, nil
	}
	sum, err := hash(f)
	if err != nil {
		return binary{}, err
	}
	return binary{path: path, sha256: sum, info: info}, nil
}

// openTrusted opens a file that may be a plugin's.
func openTrusted(path string) (_ *os.File, _ fs.FileInfo, err error) {
	// A named pipe would otherwise wait for a writer, for ever.
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, errUnreadable(err)
	}
	defer func() {
		if err != nil {
			closeAll(f)
		}
	}()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errUnreadable(err)
	}
	if err := checkExecutable(path, info); err != nil {
		return nil, nil, err
	}
	return f, info, checkTrust(path)
}

func hash(f *os.File) (string, error) {
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, 1<<62)); err != nil {
		return "", errUnreadable(err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// opened is a plugin's file that is kept open from the moment that it is
// hashed until it runs, so that it is what runs.
type opened struct {
	binary
	file *os.File
}

// open hashes the file again, before it is started. The caller closes it.
func (b binary) open() (_ *opened, err error) {
	f, info, err := openTrusted(b.path)
	if err != nil {
		return nil, err
	}
	o := &opened{binary: binary{path: b.path, sha256: b.sha256, info: info}, file: f}
	defer func() {
		if err != nil {
			o.close()
		}
	}()
	return o, o.verify()
}

func (o *opened) close() { closeAll(o.file) }

func (o *opened) verify() error {
	sum, err := hash(o.file)
	if err != nil {
		return err
	}
	if sum != o.sha256 {
		return errChanged()
	}
	return nil
}

// isScript reports whether an interpreter will open the file again, by its path.
func (o *opened) isScript() bool {
	var magic [2]byte
	n, err := o.file.ReadAt(magic[:], 0)
	return err == nil && n == len(magic) && bytes.Equal(magic[:], []byte("#!"))
}

// recheck is made right after the start: between the hash and the start
// somebody could have written into the file, or put another one there.
func (o *opened) recheck() error {
	now, err := o.file.Stat()
	if err != nil {
		return errUnreadable(err)
	}
	named, err := os.Stat(o.path)
	if err != nil || !os.SameFile(now, named) {
		return errors.Join(errChanged(), err)
	}
	if sameFile(o.info, now) {
		return nil
	}
	return o.verify() // its mode was changed, or a link to it was made
}

func errUnreadable(err error) error {
	return errs.Wrap(err, errs.PluginMissing, "The plugin's file cannot be read.")
}

// sameFile reports whether nobody has touched the file between a and b.
func sameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && changedAt(a).Equal(changedAt(b))
}

func errChanged() error {
	return errs.New(errs.PluginUntrusted, "The plugin's file has changed since it was checked.").
		WithHint("If you have replaced it, let haul look at the plugins again (haul plugin rescan).")
}

// checkExecutable tells why a file of a plugin's name is no plugin.
func checkExecutable(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return errs.New(errs.PluginIncompatible, "What has the plugin's name is not a file.").
			WithHint("Put the plugin's executable there, or remove it.")
	}
	if info.Mode().Perm()&0o111 == 0 {
		return errs.New(errs.PluginIncompatible, "The plugin's file is not executable.").
			WithHint("Run: chmod +x %s", quote(path))
	}
	return nil
}
