package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"io/fs"
	"os"

	berrors "go.etcd.io/bbolt/errors"
)

// probe reads a database file once from start to end before bbolt opens it.
//
// bbolt maps the file for random access, so a cold start would otherwise fetch
// it page by page, thirty times slower. And where the file is shorter than it
// says (a copy that was cut off), bbolt ends the process by a fault.
func probe(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if err := checkLength(f); err != nil {
		return err
	}
	buf := make([]byte, 1<<20)
	for {
		if _, err := f.Read(buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Where bbolt keeps what in its two meta pages, in the machine's byte order.
const (
	pageHeader    = 16
	metaMagic     = 0
	metaPageSize  = 8
	metaPages     = 40 // number of pages in use
	metaChecksum  = 56
	metaSize      = 64
	magic         = 0xED0CDAED
	smallestPage  = 1 << 10
	largestPage   = 1 << 20
	usualPageSize = 4 << 10
)

// checkLength compares the length of the file with what its meta pages say.
// Another process may be writing: the file grows before a meta page says so.
func checkLength(f *os.File) error {
	pageSize, pages := readMeta(f, 0)
	if pageSize == 0 {
		pageSize = usualPageSize
	}
	if size, n := readMeta(f, pageSize); size != 0 {
		pageSize, pages = size, max(pages, n)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if need := pages * uint64(pageSize); need > uint64(info.Size()) { //nolint:gosec // sizes are not negative
		return fmt.Errorf("%w: it has %d bytes of %d", berrors.ErrInvalid, info.Size(), need)
	}
	return nil
}

// readMeta returns the page size and the number of pages of the meta page at
// an offset, or zeros where there is no valid one.
func readMeta(f *os.File, offset int64) (pageSize int64, pages uint64) {
	var meta [metaSize]byte
	if _, err := f.ReadAt(meta[:], offset+pageHeader); err != nil {
		return 0, 0
	}
	sum := fnv.New64a()
	sum.Write(meta[:metaChecksum])
	order := binary.NativeEndian
	pageSize = int64(order.Uint32(meta[metaPageSize:]))
	if order.Uint32(meta[metaMagic:]) != magic || order.Uint64(meta[metaChecksum:]) != sum.Sum64() ||
		pageSize < smallestPage || pageSize > largestPage {
		return 0, 0
	}
	return pageSize, order.Uint64(meta[metaPages:])
}
