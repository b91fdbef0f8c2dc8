package driver

import (
	"context"
	"io"
	"sync/atomic"

	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/hash"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// source is the content of a Put on its way to a backend: it counts, hashes, and
// ends with the Put, whatever the backend still does.
type source struct {
	ctx    context.Context //nolint:containedctx // that of the one call that it serves
	req    *storage.PutRequest
	kind   hash.Type // hash.None where the backend has none at hand
	hasher *hash.MultiHasher
	done   int64
	closed atomic.Bool
	failed atomic.Pointer[error] // of the content itself
}

func newSource(ctx context.Context, f fs.Fs, req *storage.PutRequest) (*source, error) {
	s := &source{ctx: ctx, req: req, kind: cheapHash(f)}
	if s.kind == hash.None {
		return s, nil
	}
	var err error
	s.hasher, err = hash.NewMultiHasherTypes(hash.NewHashSet(s.kind))
	return s, err
}

// cheapHash returns a hash that the backend knows without reading the file.
func cheapHash(f fs.Fs) hash.Type {
	if f.Features().SlowHash {
		return hash.None
	}
	return f.Hashes().GetOne()
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.closed.Load() {
		return 0, context.Canceled
	}
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := s.req.Content.Read(p)
	if s.done += int64(n); s.done > s.req.Size {
		err = errs.New(errs.FilesChanged, "The file is longer than it was said to be.")
	} else if err == io.EOF && s.done < s.req.Size { //nolint:errorlint // readers return io.EOF itself
		err = errs.New(errs.FilesChanged, "The file is shorter than it was said to be.")
	}
	if s.hasher != nil {
		_, _ = s.hasher.Write(p[:n]) // never fails
	}
	if n > 0 && s.req.Progress != nil {
		s.req.Progress(min(s.done, s.req.Size))
	}
	if err != nil && err != io.EOF { //nolint:errorlint // as above
		s.failed.CompareAndSwap(nil, &err)
	}
	return n, err
}

// sum returns the hash of what was read, "" where there is none.
func (s *source) sum() string {
	if s.hasher == nil {
		return ""
	}
	sum, err := s.hasher.SumString(s.kind, false)
	if err != nil {
		return ""
	}
	return sum
}

// failure returns the error of the content itself, in place of the one that
// the backend made of it.
func (s *source) failure(err error) error {
	if own := s.failed.Load(); own != nil {
		return *own
	}
	return err
}

// close keeps a backend that has not ended from the content, which is its owner's again.
func (s *source) close() { s.closed.Store(true) }
