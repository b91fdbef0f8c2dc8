package delivery

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// pieceSize is how much is copied between two looks at the context.
	pieceSize = 16 << 20
	// copyBuffer is for file systems between which the kernel does not copy.
	copyBuffer = 256 << 10
	// checkpointEvery is how much is copied between two records of how far it is.
	checkpointEvery = 256 << 20
	// worthPreallocating is the size from which on room is reserved at once.
	worthPreallocating = 8 << 20
)

// fileCopy is the copy of one file's data, from the offset at which an earlier
// one ended.
type fileCopy struct {
	*execution
	in, out   *os.File
	name      string // of the file in the job
	temporary string
	info      fs.FileInfo
	file      int // in the account; negative where it has none
	// way is the one of waysInKernel that works here; beyond them is by hand.
	way   int
	point checkpoint
}

// checkpoint is an fsync in the background: what was copied before it began is
// at the destination for certain when it ends.
type checkpoint struct {
	at   int64
	done chan error // nil while none is under way
}

func (c *fileCopy) run(ctx context.Context) (err error) {
	size := c.info.Size()
	off := c.resumeAt()
	if err := c.out.Truncate(off); err != nil {
		return destinationError(err, "cutting a file")
	}
	sparse := isSparse(c.info)
	if !sparse && size-off >= worthPreallocating {
		if err := preallocate(c.out, off, size-off); err != nil {
			return destinationError(err, "reserving room")
		}
	}
	c.point.at = off
	defer func() { err = errors.Join(err, c.await()) }()
	for off < size {
		start, end := off, size
		if sparse {
			start, end = nextData(c.in, off, size)
		}
		if err := c.copyRange(ctx, start, end); err != nil {
			return err
		}
		off = end
	}
	return destinationError(c.out.Truncate(size), "setting a file's size")
}

// resumeAt returns how much of the file is there for certain.
func (c *fileCopy) resumeAt() int64 {
	half := c.plan.Half
	if half == nil || half.Name != c.name {
		return 0
	}
	info, err := c.out.Stat()
	if err != nil || info.Size() < half.Done || half.Done > c.info.Size() {
		return 0
	}
	c.log.Debug("a copy goes on", "task", c.job.Task, "at", half.Done)
	return half.Done
}

func (c *fileCopy) copyRange(ctx context.Context, off, end int64) error {
	for off < end {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := c.copyPiece(off, int(min(c.piece, end-off)))
		if err != nil {
			return err
		}
		if n == 0 {
			return errChanged(c.name) // it became shorter
		}
		startWriting(c.out, off, int64(n))
		off += int64(n)
		if c.file >= 0 {
			c.reached(c.file, off)
		}
		if err := c.mark(ctx, off); err != nil {
			return err
		}
		c.at("piece copied")
	}
	return nil
}

// copyPiece copies up to n bytes, in the kernel where that is possible.
func (c *fileCopy) copyPiece(off int64, n int) (int, error) {
	for c.way < len(waysInKernel) {
		done, err := waysInKernel[c.way](c.out, c.in, off, n)
		if done > 0 {
			return done, nil
		}
		if isFull(err) {
			return 0, destinationError(err, "writing")
		}
		// What else it fails with has many reasons; the next way tells.
		c.way++
		if errors.Is(err, syscall.EXDEV) {
			c.wayHere = c.way
		}
	}
	if c.buffer == nil {
		c.buffer = make([]byte, copyBuffer)
	}
	got, err := c.in.ReadAt(c.buffer[:min(n, len(c.buffer))], off)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, sourceError(err)
	}
	if got == 0 {
		return 0, nil
	}
	_, err = c.out.WriteAt(c.buffer[:got], off)
	return got, destinationError(err, "writing")
}

func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// mark stores now and then how far the copy is, once the disk has it.
func (c *fileCopy) mark(ctx context.Context, off int64) error {
	p := &c.point
	if p.done != nil {
		return c.storeMark(ctx)
	}
	// A plan of thousands of entries is stored less often.
	every := c.markEvery * int64(1+len(c.plan.Entries)/1000)
	if off-p.at < every || off >= c.info.Size() {
		return nil
	}
	p.at, p.done = off, make(chan error, 1)
	done, out := p.done, c.out
	go func() { done <- syncData(out) }()
	if c.markWaits {
		err := <-done
		p.done <- err
	}
	return nil
}

// storeMark stores how far the copy is, if the disk has it by now.
func (c *fileCopy) storeMark(ctx context.Context) error {
	select {
	case err := <-c.point.done:
		c.point.done = nil
		if err != nil {
			return destinationError(err, "writing to the disk")
		}
	default:
		return nil
	}
	c.plan.Half = &Half{Name: c.name, Done: c.point.at}
	if err := c.save(ctx); err != nil {
		return err
	}
	c.at("checkpoint stored")
	return nil
}

// await waits for the background to end.
func (c *fileCopy) await() error {
	if c.point.done == nil {
		return nil
	}
	err := <-c.point.done
	c.point.done = nil
	return destinationError(err, "writing to the disk")
}

// unchangedWhileCopied looks once more at what was read.
func (c *fileCopy) unchangedWhileCopied() error {
	now, err := c.in.Stat()
	if err != nil {
		return sourceError(err)
	}
	if now.Size() != c.info.Size() || !now.ModTime().Equal(c.info.ModTime()) {
		return errChanged(c.name)
	}
	copied, err := c.out.Stat()
	if err != nil {
		return destinationError(err, "looking at the copy")
	}
	if copied.Size() != c.info.Size() {
		return errs.New(errs.DestinationReadOnly, "The copy of %q has %d bytes instead of %d.", path.Base(c.name), copied.Size(), c.info.Size())
	}
	return nil
}
