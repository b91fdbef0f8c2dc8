package delivery

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
)

// verify reads the copy back from the disk and compares its SHA-256 with that
// of the download, which is read again: the kernel copied it.
func (c *fileCopy) verify(ctx context.Context) error {
	if err := c.out.Sync(); err != nil {
		return destinationError(err, "writing to the disk")
	}
	forget(c.out)
	type sum struct {
		hash []byte
		err  error
	}
	original := make(chan sum, 1)
	go func() {
		h, err := hashOf(ctx, c.in, c.info.Size())
		original <- sum{h, sourceError(err)}
	}()
	copied, err := hashOf(ctx, c.out, c.info.Size())
	want := <-original
	if err := errors.Join(want.err, destinationError(err, "reading the copy")); err != nil {
		return err
	}
	if !bytes.Equal(want.hash, copied) {
		return errDamaged(c.name)
	}
	c.at("copy verified")
	return nil
}

func hashOf(ctx context.Context, f *os.File, size int64) ([]byte, error) {
	h := sha256.New()
	r := io.NewSectionReader(f, 0, size)
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		_, err := io.CopyN(h, r, pieceSize)
		if errors.Is(err, io.EOF) {
			return h.Sum(nil), nil
		}
		if err != nil {
			return nil, err
		}
	}
}
