package secret

import (
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/haul-dl/haul/sdk/errs"
)

// KeySize is the length of a key file in bytes.
const KeySize = 32

// Open returns the Box of a key file, which it makes when it is missing.
// Errors: errs.Forbidden when others may read the file, errs.Unavailable when
// it is damaged or cannot be read or made.
func Open(path string) (*Box, error) {
	key, err := readKey(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeKey(path); err != nil {
			return nil, errs.Wrap(err, errs.Unavailable, "The key file %s cannot be made.", path).
				WithHint("Let the user that haul runs as write to its data directory.")
		}
		key, err = readKey(path)
	}
	if err != nil {
		return nil, describe(err, path)
	}
	return newBox(key)
}

func readKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errs.New(errs.Unavailable, "%s is not a file.", path)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		return nil, errs.New(errs.Forbidden, "Others may read the key file %s (mode %04o).", path, info.Mode().Perm()).
			WithHint("Run: chmod 600 %s", path)
	}
	// One byte more than a key tells a file that is too long.
	key, err := io.ReadAll(io.LimitReader(f, KeySize+1))
	if err != nil {
		return nil, err
	}
	if len(key) != KeySize {
		return nil, errs.New(errs.Unavailable, "The key file %s is damaged: it must have exactly %d bytes.", path, KeySize).
			WithHint("Restore it from a backup. Without it, stored secrets are lost: remove the file only if there are none.")
	}
	return key, nil
}

// describe leaves errors that say enough as they are.
func describe(err error, path string) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	return errs.Wrap(err, errs.Unavailable, "The key file %s cannot be read.", path).
		WithHint("Make the user that haul runs as the owner of the file.")
}

// makeKey writes a new key. It shows under its name only when it is whole and
// on the disk, and never replaces another one that came first.
func makeKey(path string) (err error) {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(f.Name())) }()
	key := make([]byte, KeySize)
	rand.Read(key) // never fails: the program ends instead
	_, written := f.Write(key)
	if err := errors.Join(written, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // there is no such thing
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
