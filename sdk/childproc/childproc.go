// Package childproc runs a daemon that belongs to a plugin: whatever way the
// plugin ends, the daemon ends with it.
package childproc

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/errs"
)

// drainOutput is how long output may still be read after the end of the child:
// somebody who left its process group may hold the pipe open.
const drainOutput = 200 * time.Millisecond

// Options say what to run.
type Options struct {
	// Path is the executable; without a slash it is looked for on the PATH.
	Path string
	// Args are its arguments, without its name. Other users of the machine can
	// read them: no secrets.
	Args []string
	// Dir is its working directory; empty is the caller's.
	Dir string
	// Env is its environment; nil is the caller's.
	Env []string
	// Logger gets what it writes, line by line at debug.
	Logger hclog.Logger
}

// Process is a running child, alone in a process group of its own. All methods
// may be called concurrently.
type Process struct {
	cmd    *exec.Cmd
	logger hclog.Logger
	done   chan struct{}
	err    error // set before done is closed

	mu     sync.Mutex // guards reaped: signals go to a process that exists
	reaped bool
}

// Start starts a child. On Linux the kernel kills it when this process ends.
// The caller must wait for Done, or call Stop.
func Start(opts Options) (*Process, error) {
	cmd := exec.Command(opts.Path, opts.Args...)
	cmd.Dir, cmd.Env = opts.Dir, opts.Env
	confine(cmd)
	out, err := newOutput(cmd, opts.Logger)
	if err != nil {
		return nil, fmt.Errorf("make pipes: %w", err)
	}
	p := &Process{cmd: cmd, logger: opts.Logger, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.run(out, started)
	if err := <-started; err != nil {
		return nil, errs.Wrap(err, errs.DownloaderError, "%s does not start.", filepath.Base(opts.Path)).
			WithHint("Check that it is installed and may be executed.")
	}
	p.logger.Debug("child started", "path", opts.Path, "pid", p.PID())
	return p, nil
}

// run starts the child and waits for it, all on one thread: the kernel takes the
// end of the thread that started a child for the end of its parent.
func (p *Process) run(out *output, started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	out.closeWriters()
	if err != nil {
		out.finish(0)
		started <- err
		return
	}
	started <- nil
	err = p.await()
	if last := out.finish(drainOutput); err != nil && last != "" {
		err = fmt.Errorf("%w: %s", err, last)
	}
	p.err = err
	p.logger.Debug("child ended", "pid", p.PID(), "err", err)
	close(p.done)
}

// PID returns the child's process id, which is also that of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and its output is read.
func (p *Process) Done() <-chan struct{} { return p.done }

// Err returns how the child ended: nil while it runs and after a clean end. The
// error has the last line of its output and is for logs.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return p.err
	default:
		return nil
	}
}

// Wait waits for the child's end and returns how it ended.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Stop asks the child to end, and kills its whole group when ctx ends first,
// which is errs.DeadlineExceeded. In any case it is gone when Stop returns.
// Stopping a child that has ended succeeds.
func (p *Process) Stop(ctx context.Context) error {
	p.signal(terminate)
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
	}
	p.signal(kill)
	<-p.done
	return errs.Wrap(ctx.Err(), errs.DeadlineExceeded, "%s did not end in time and was killed.", filepath.Base(p.cmd.Path))
}

func (p *Process) signal(send func(*exec.Cmd) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	if err := send(p.cmd); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.logger.Warn("cannot signal child", "pid", p.PID(), "err", err)
	}
}
