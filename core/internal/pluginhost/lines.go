package pluginhost

import (
	"bufio"
	"bytes"
	"io"
)

// maxLine is where a line of a plugin's output is cut.
const maxLine = 64 << 10

// readLines hands each line of r to fn until r ends, and returns why. A line
// over maxLine is handed on once, cut; the rest of it is read and dropped, so
// that the writer never blocks. fn must not keep the line.
func readLines(r io.Reader, fn func(line []byte, cut bool)) error {
	br := bufio.NewReaderSize(r, maxLine)
	inLong := false
	for {
		line, more, err := br.ReadLine()
		if err != nil {
			return err
		}
		if !inLong {
			fn(line, more)
		}
		inLong = more
	}
}

// lineWriter turns what is written to it into lines, cut like those of readLines.
type lineWriter struct {
	fn      func(line []byte, cut bool)
	buf     []byte
	dropped bool // the rest of a line that was cut
}

// Write never fails.
func (w *lineWriter) Write(b []byte) (int, error) {
	n := len(b)
	for {
		line, rest, found := bytes.Cut(b, []byte{'\n'})
		w.add(line)
		if !found {
			return n, nil
		}
		w.flush()
		b = rest
	}
}

func (w *lineWriter) add(part []byte) {
	if w.dropped {
		return
	}
	w.buf = append(w.buf, part...)
	if len(w.buf) > maxLine {
		w.fn(w.buf[:maxLine], true)
		w.buf, w.dropped = nil, true
	}
}

func (w *lineWriter) flush() {
	if !w.dropped {
		w.fn(w.buf, false)
	}
	w.buf, w.dropped = w.buf[:0], false
}
