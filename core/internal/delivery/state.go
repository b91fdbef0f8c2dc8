package delivery

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// state sums up files, so that one notices when they are others, or were
// written.
type state struct{ hash hash.Hash }

func newState() *state { return &state{sha256.New()} }

func (s *state) add(name string, info fs.FileInfo) {
	fmt.Fprintf(s.hash, "%s\x00%d %d %d\n", path.Clean(name), info.Size(), info.ModTime().UnixNano(), inode(info))
}

// sum is short, as plans are stored.
func (s *state) sum() string { return base64.RawStdEncoding.EncodeToString(s.hash.Sum(nil)[:12]) }

// unchanged fails with errs.FilesChanged where an entry's data is not what it
// was when the plan was made.
func (e *Entry) unchanged(source *os.Root, files []downloader.File) error {
	if !e.Dir {
		info, err := source.Lstat(e.Name)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() || entryOf(e.Name, info) != (Entry{Name: e.Name, Inode: e.Inode, Size: e.Size, Changed: e.Changed}) {
			return errChanged(e.Name)
		}
		return nil
	}
	now, look := newState(), &looker{root: source}
	defer look.close()
	for _, f := range files {
		info, err := look.lstat(f.Path)
		if err != nil {
			return err
		}
		now.add(f.Path, info)
	}
	if now.sum() != e.State {
		return errChanged(e.Name)
	}
	return nil
}

func errChanged(name string) error {
	return errs.New(errs.FilesChanged, "%q changed on the disk while it was delivered.", path.Base(name))
}
