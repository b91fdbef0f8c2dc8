package lab

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
)

// payload is a file that exists only as its name and size: any byte of it can
// be computed at once, so that big files cost neither memory nor disk.
type payload struct {
	seed uint64
	size int64
	// padding is all zeros.
	padding bool
}

// newPayload returns the content that belongs to a name.
func newPayload(name string, size int64) payload {
	sum := sha256.Sum256([]byte(name))
	return payload{seed: binary.LittleEndian.Uint64(sum[:]), size: size}
}

// word returns the eight bytes at 8*i, by the output function of splitmix64.
func (p payload) word(i int64) uint64 {
	z := p.seed + uint64(i)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// ReadAt implements io.ReaderAt.
func (p payload) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("lab: negative offset")
	}
	n := int(max(0, min(int64(len(b)), p.size-off)))
	p.fill(b[:n], off)
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (p payload) fill(b []byte, off int64) {
	if p.padding {
		clear(b)
		return
	}
	var w [8]byte
	for len(b) > 0 {
		if off%8 == 0 && len(b) >= 8 {
			binary.LittleEndian.PutUint64(b, p.word(off/8))
			b, off = b[8:], off+8
			continue
		}
		binary.LittleEndian.PutUint64(w[:], p.word(off/8))
		n := copy(b, w[off%8:])
		b, off = b[n:], off+int64(n)
	}
}

// reader reads it from the start.
func (p payload) reader() *io.SectionReader { return io.NewSectionReader(p, 0, p.size) }

// sha256 is the hex digest of the whole content.
func (p payload) sha256() string {
	h := sha256.New()
	_, _ = io.Copy(h, p.reader()) // neither side can fail
	return hex.EncodeToString(h.Sum(nil))
}
