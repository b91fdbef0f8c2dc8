package pluginhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin/runner"

	"github.com/haul-dl/haul/sdk/errs"
)

// hostFD is the descriptor that a plugin finds the pipe at; it is the first
// after the standard ones.
const hostFD = 3

// procRunner runs one plugin process for the library, and keeps the library
// away from what it gets wrong: it reads the output itself, waits on the
// process rather than on its pipes, and kills the whole process group.
type procRunner struct {
	binary  *opened // open until Start returns
	dir     processDir
	env     []string
	spawner *spawner
	relay   *relay
	linger  time.Duration
	pace    *pace // of what the process writes
	// withoutTLS makes the library connect in plain text. It is called for a
	// plugin whose handshake has no certificate: in some languages AutoMTLS is
	// hard, and the socket's directory, which is haul's alone, protects it too.
	withoutTLS func()

	cmd        *exec.Cmd
	handshakeR *io.PipeReader // what the library sees of stdout: the handshake alone
	handshakeW *io.PipeWriter
	shaken     atomic.Pointer[handshake] // nil until the line was seen

	mu      sync.Mutex // guards started, killed, reaped
	started bool
	killed  bool // by us
	reaped  bool

	exited  chan struct{}    // closed when the process is gone and its output read
	waitErr error            // how it ended; read after exited
	state   *os.ProcessState // likewise
}

func newRunner(b *opened, dir processDir, env []string, s *spawner, relay *relay, t tuning) *procRunner {
	r := &procRunner{
		binary: b, dir: dir, env: env, spawner: s, relay: relay, linger: t.pipeLinger,
		pace:   newPace(t.outputRate),
		exited: make(chan struct{}),
	}
	r.handshakeR, r.handshakeW = io.Pipe()
	return r
}

var _ runner.Runner = (*procRunner)(nil)

// Start starts the process; the library calls it once.
func (r *procRunner) Start(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.killed {
		return errs.New(errs.Canceled, "The start was given up.")
	}
	pipes, err := openPipes()
	if err != nil {
		return errs.Wrap(err, errs.Unavailable, "The plugin could not be started.")
	}
	path, unpin, err := r.pin()
	if err != nil {
		pipes.closeChildEnds()
		pipes.closeHostEnds()
		return errs.Wrap(err, errs.Unavailable, "The plugin could not be started.")
	}
	r.cmd = &exec.Cmd{
		Path: path,
		Args: []string{r.binary.path},
		Env:  append(r.env, hostFDEnv+"="+strconv.Itoa(hostFD), logLevelEnv+"="+r.relay.log.GetLevel().String()),
		Dir:  r.dir.root,
		// Stdin stays nil: the library would hand on the host's terminal.
		Stdout:     pipes.outW,
		Stderr:     pipes.errW,
		ExtraFiles: []*os.File{pipes.aliveR},
	}
	err = r.spawner.start(r.cmd)
	unpin()
	pipes.closeChildEnds()
	if err != nil {
		pipes.closeHostEnds()
		return explainExec(err)
	}
	r.started = true
	// What goes wrong from here on ends the process, and its end is waited for.
	if err = r.admit(); err != nil {
		err = errors.Join(err, r.killLocked())
	}
	go r.attend(pipes)
	return err
}

// pin returns the path to start. A script's interpreter opens it by its path,
// so that one is checked again afterwards alone.
func (r *procRunner) pin() (path string, unpin func(), err error) {
	if r.binary.isScript() {
		return r.binary.path, func() {}, nil
	}
	return pin(r.binary.file, r.dir.root, filepath.Base(r.binary.path))
}

// explainExec tells a file that will never run from a machine in trouble.
func explainExec(err error) error {
	for _, e := range []error{syscall.ENOEXEC, syscall.EACCES, syscall.ENOENT, syscall.ENOTDIR} {
		if errors.Is(err, e) {
			return errs.Wrap(err, errs.PluginIncompatible, "The plugin's file is no program for this machine.").
				WithHint("Install the plugin's build for %s/%s, and what its first line names if it is a script.", runtime.GOOS, runtime.GOARCH)
		}
	}
	if errors.Is(err, syscall.ETXTBSY) {
		return errs.Wrap(err, errs.Unavailable, "The plugin's file is still being written.")
	}
	return errs.Wrap(err, errs.Unavailable, "The plugin could not be started.")
}

// admit checks and notes down the process that has just been started.
func (r *procRunner) admit() error {
	if err := r.binary.recheck(); err != nil {
		return err
	}
	id, err := identify(r.cmd.Process.Pid)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrNotExist) {
		return nil // it may have ended already, which others will notice
	}
	if err != nil {
		return errs.Wrap(err, errs.Unavailable, "The plugin's process cannot be seen.")
	}
	if err := writeProcessID(r.dir.pidFile(), id); err != nil {
		return errs.Wrap(err, errs.Unavailable, "The plugin's process cannot be noted down.")
	}
	return nil
}

// attend reads the output and waits for the end of the process.
func (r *procRunner) attend(p *pipes) {
	var readers sync.WaitGroup
	// Reading ends at the end of the pipe or at the deadline; neither is news.
	readers.Go(func() { _ = readLines(pacedReader{p.outR, r.pace}, r.stdoutLine) })
	readers.Go(func() { _ = readLines(pacedReader{p.errR, r.pace}, r.relay.stderr) })

	r.waitErr = waitAndSweep(r.cmd, &r.mu, &r.reaped)
	r.state = r.cmd.ProcessState
	// A child that has left the group may hold the pipes for ever.
	deadline := time.Now().Add(r.linger)
	_ = p.outR.SetReadDeadline(deadline)
	_ = p.errR.SetReadDeadline(deadline)
	_ = r.handshakeW.Close()
	readers.Wait()
	p.closeHostEnds()
	r.relay.Close()
	close(r.exited)
}

// stdoutLine hands the handshake to the library, once, and everything else to
// the log: text before the handshake would break the start, and a full pipe
// after it would block the plugin.
func (r *procRunner) stdoutLine(line []byte, cut bool) {
	if cut || r.shaken.Load() != nil || !isHandshake(line) {
		r.relay.stdout(line, cut)
		return
	}
	shaken := parseHandshake(line)
	r.shaken.Store(&shaken)
	_, _ = r.handshakeW.Write(append(bytes.Clone(line), '\n'))
	_ = r.handshakeW.Close()
}

// Kill kills the process and its children. It may be called at any time, more
// than once, and does not wait.
func (r *procRunner) Kill(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killLocked()
}

func (r *procRunner) killLocked() error {
	if r.reaped {
		return nil // it ended otherwise
	}
	r.killed = true
	if !r.started {
		return nil // and will not be
	}
	return killGroup(r.cmd.Process)
}

// Wait waits for the end of the process, whoever still holds its pipes.
func (r *procRunner) Wait(ctx context.Context) error {
	select {
	case <-r.exited:
		return r.waitErr
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Stdout returns the handshake line alone.
func (r *procRunner) Stdout() io.ReadCloser { return r.handshakeR }

// Stderr returns nothing: the runner logs it itself.
func (r *procRunner) Stderr() io.ReadCloser { return io.NopCloser(strings.NewReader("")) }

// Name returns the path of the binary.
func (r *procRunner) Name() string { return r.binary.path }

// ID returns the process's number, "" when it was never started.
func (r *procRunner) ID() string {
	if pid := r.pid(); pid != 0 {
		return strconv.Itoa(pid)
	}
	return ""
}

func (r *procRunner) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.started {
		return 0
	}
	return r.cmd.Process.Pid
}

// Diagnose has nothing to add to the log.
func (r *procRunner) Diagnose(context.Context) string { return "" }

// PluginToHost checks the address that the plugin wants to be called at: haul
// follows it neither to another machine nor to another program's socket.
func (r *procRunner) PluginToHost(network, addr string) (string, string, error) {
	if shaken := r.shaken.Load(); shaken != nil && !shaken.certificate {
		r.withoutTLS()
	}
	if network == "unix" && within(r.dir.sockets, addr) {
		return network, addr, nil
	}
	if runtime.GOOS == "windows" && network == "tcp" {
		if ap, err := netip.ParseAddrPort(addr); err == nil && ap.Addr().IsLoopback() {
			return network, addr, nil
		}
	}
	return "", "", fmt.Errorf("the plugin listens at %s %q, not below PLUGIN_UNIX_SOCKET_DIR", network, addr)
}

// HostToPlugin returns the address as it is.
func (r *procRunner) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}

func within(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// isReaped reports whether the process has ended; its last output may still be read.
func (r *procRunner) isReaped() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reaped
}

// ended reports whether the process is gone and its output read.
func (r *procRunner) ended() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// wasKilled reports whether we killed it.
func (r *procRunner) wasKilled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.killed
}
