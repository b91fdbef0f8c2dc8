package childproc

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// maxLine is where a line of output is cut, in bytes.
const maxLine = 4 << 10

// output reads what a child writes. The pipes are our own, so that the end of
// the child does not wait for whoever else holds them.
type output struct {
	logger  hclog.Logger
	writers []*os.File
	readers []*os.File
	wg      sync.WaitGroup

	mu   sync.Mutex // guards last
	last string
}

func newOutput(cmd *exec.Cmd, logger hclog.Logger) (*output, error) {
	o := &output{logger: logger}
	stdout, err := o.pipe("stdout")
	if err != nil {
		return nil, err
	}
	stderr, err := o.pipe("stderr")
	if err != nil {
		o.closeWriters()
		o.finish(0)
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	return o, nil
}

func (o *output) pipe(name string) (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	o.readers, o.writers = append(o.readers, r), append(o.writers, w)
	o.wg.Go(func() { o.read(name, r) })
	return w, nil
}

// read logs line by line; of a long line it logs the beginning.
func (o *output) read(name string, r io.Reader) {
	in := bufio.NewReaderSize(r, maxLine)
	for cut := false; ; {
		line, more, err := in.ReadLine()
		if err != nil {
			return
		}
		if text := strings.TrimSpace(string(line)); text != "" && !cut {
			o.logger.Debug("child wrote", "stream", name, "line", text)
			o.remember(text)
		}
		cut = more
	}
}

func (o *output) remember(line string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = line
}

// closeWriters lets go of the child's ends.
func (o *output) closeWriters() {
	for _, w := range o.writers {
		_ = w.Close()
	}
}

// finish waits until all is read, for at most d, and returns the last line.
func (o *output) finish(d time.Duration) string {
	for _, r := range o.readers {
		if err := r.SetReadDeadline(time.Now().Add(d)); errors.Is(err, os.ErrNoDeadline) {
			_ = r.Close()
		}
	}
	o.wg.Wait()
	for _, r := range o.readers {
		_ = r.Close()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}
