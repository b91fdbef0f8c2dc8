package upload

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sync"

	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/errs"
)

// content is a file on its way up. Its last bytes are handed out only when the
// file is still what it was at the start: a storage that reads to the end has
// the whole of one state.
type content struct {
	file *os.File
	info fs.FileInfo
	// moves is told of each Read; nil tells nobody.
	moves func()

	mu   sync.Mutex // guards what follows: a storage may give up and still read
	left int64
	sums *sums
	// err is what a Read failed with: then the source is at fault, whatever the
	// storage says.
	err error
}

// openContent opens a file of the job's directory, and nothing that a link leads to.
func openContent(source *os.Root, u *delivery.Upload, want algorithm) (*content, error) {
	name := filepath.FromSlash(u.Name)
	info, err := source.Lstat(name)
	if err != nil {
		return nil, delivery.SourceError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errs.New(errs.UnsafeFile, "%q is not a file.", path.Base(u.Name))
	}
	if info.Size() != u.Size {
		return nil, errChanged(u.Name)
	}
	f, err := delivery.OpenSame(source, name, info)
	if err != nil {
		return nil, err
	}
	return &content{file: f, info: info, left: u.Size, sums: newSums(want)}, nil
}

func errChanged(name string) error {
	return errs.New(errs.FilesChanged, "%q changed while it was delivered.", path.Base(name))
}

// Read implements io.Reader.
func (c *content) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	if c.moves != nil {
		c.moves()
	}
	n, err := c.file.Read(b[:min(int64(len(b)), c.left)])
	switch {
	case n > 0 && int64(n) < c.left:
	case errors.Is(err, io.EOF) && c.left > 0:
		c.err = errChanged(c.info.Name())
	case err != nil && !errors.Is(err, io.EOF):
		c.err = errs.Wrap(err, errs.FilesMissing, "The downloaded data cannot be read.")
	case int64(n) == c.left && len(b) > 0:
		c.err = c.finish()
	}
	if c.err != nil && !errors.Is(c.err, io.EOF) {
		return 0, c.err
	}
	c.sums.write(b[:n])
	c.left -= int64(n)
	return n, c.err
}

// finish returns io.EOF where the file is what it was.
func (c *content) finish() error {
	now, err := c.file.Stat()
	if err != nil {
		return delivery.SourceError(err)
	}
	if now.Size() != c.info.Size() || !now.ModTime().Equal(c.info.ModTime()) {
		return errChanged(c.info.Name())
	}
	return io.EOF
}

// end lets the file go, to which nothing was written. It reports whether all of
// it was read, and the error of the source if that is what ended a Put.
func (c *content) end() (whole bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.file.Close() //nolint:errcheck // see above
	switch {
	case errors.Is(c.err, io.EOF), c.err == nil && c.left == 0: // no bytes, and nobody asked for them
		return true, nil
	case c.err != nil:
		return false, c.err
	}
	c.err = fs.ErrClosed
	return false, nil
}
