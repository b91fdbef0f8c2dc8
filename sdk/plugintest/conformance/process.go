package conformance

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/wire"
)

// executable starts a plugin's file as haul does. Sockets are made below private.
func executable(path string, env []string, private string) launcher {
	return func(ctx context.Context, said *transcript) (*session, error) {
		s, err := startProcess(ctx, path, env, private, said, true)
		if err == nil || ctx.Err() != nil {
			return s, err
		}
		// Plugins in languages where AutoMTLS is hard go without, as haul lets them.
		plain, plainErr := startProcess(ctx, path, env, private, said, false)
		if plainErr != nil {
			return nil, err
		}
		return plain, nil
	}
}

// passedOn are the variables of the environment that haul lets plugins see.
var passedOn = []string{"PATH", "HOME", "TMPDIR", "LANG", "TZ"}

// startProcess starts the plugin, up to its first answer.
func startProcess(ctx context.Context, path string, env []string, private string, said *transcript, mtls bool) (*session, error) {
	sockets, err := os.MkdirTemp(private, "s")
	if err != nil {
		return nil, err
	}
	r := &processRunner{path: path, said: said, exited: make(chan struct{})}
	for _, kv := range os.Environ() {
		if key, _, _ := strings.Cut(kv, "="); slices.Contains(passedOn, key) {
			r.env = append(r.env, kv)
		}
	}
	r.env = append(append(r.env, env...), "HAUL_LOG_LEVEL=trace", "HAUL_HOST_FD=3")
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: wire.Handshake, VersionedPlugins: wire.VersionedPlugins(nil),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, AutoMTLS: mtls, SkipHostEnv: true,
		StartTimeout: startTimeout, UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: sockets},
		SyncStdout: said, SyncStderr: said, Stderr: said, Logger: hclog.NewNullLogger(),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			r.env = append(r.env, cmd.Env...)
			return r, nil
		},
	})
	p := &process{client: client, runner: r}
	if err := p.connect(ctx); err != nil {
		p.kill()
		return nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	return &session{
		plugin: p.remote, pid: r.pid(), end: p.end,
		crash: func(context.Context, downloader.Driver) { p.kill() },
	}, nil
}

// process is a plugin's process.
type process struct {
	client *plugin.Client
	runner *processRunner
	remote *wire.Client
}

func (p *process) connect(ctx context.Context) error {
	protocol, err := p.client.Client()
	if err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The file does not start as a plugin of haul.").
			WithHint("It must be an executable that makes go-plugin's handshake with haul's cookie.")
	}
	raw, err := protocol.Dispense(wire.PluginName)
	if err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The plugin does not serve downloads.")
	}
	remote, ok := raw.(*wire.Client)
	if !ok {
		return errs.New(errs.PluginIncompatible, "The plugin does not serve downloads.")
	}
	p.remote = remote
	limited, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	_, err = remote.Describe(limited)
	return err
}

// end drains the plugin, and waits for its process.
func (p *process) end(ctx context.Context, driver downloader.Driver) error {
	defer p.kill()
	if driver == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	return p.remote.Drain(ctx, time.Second)
}

// kill ends the process, and whatever is left of its group.
func (p *process) kill() {
	_ = p.runner.Kill(context.Background())
	p.client.Kill()
	if p.runner.pid() != 0 {
		<-p.runner.exited
	}
}

// processRunner runs a plugin for go-plugin, in a process group of its own and
// away from this process's terminal.
type processRunner struct {
	path string
	env  []string
	said *transcript

	mu     sync.Mutex // guards cmd until it has started
	cmd    *exec.Cmd
	stdout io.ReadCloser
	stderr io.ReadCloser
	alive  *os.File // ends with this process, which the plugin notices
	exited chan struct{}
}

var _ runner.Runner = (*processRunner)(nil)

// Start implements runner.Runner.
func (r *processRunner) Start(context.Context) error {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = theirs.Close() }()
	cmd := &exec.Cmd{
		Path: r.path, Args: []string{r.path}, Env: r.env, Dir: os.TempDir(), ExtraFiles: []*os.File{theirs},
	}
	ownGroup(cmd)
	if r.stdout, err = cmd.StdoutPipe(); err == nil {
		r.stderr, err = cmd.StderrPipe()
	}
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_ = ours.Close()
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cmd, r.alive = cmd, ours
	return nil
}

// Wait implements runner.Runner; go-plugin calls it once, after the output has ended.
func (r *processRunner) Wait(context.Context) error {
	err := r.cmd.Wait()
	_ = r.alive.Close()
	close(r.exited)
	return err
}

// Kill implements runner.Runner.
func (r *processRunner) Kill(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return nil
	}
	select {
	case <-r.exited: // its number may be another's by now
		return nil
	default:
	}
	return killGroup(r.cmd.Process)
}

func (r *processRunner) pid() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cmd == nil {
		return 0
	}
	return r.cmd.Process.Pid
}

// Stdout implements runner.Runner.
func (r *processRunner) Stdout() io.ReadCloser { return r.stdout }

// Stderr implements runner.Runner.
func (r *processRunner) Stderr() io.ReadCloser { return r.stderr }

// Name implements runner.Runner.
func (r *processRunner) Name() string { return r.path }

// ID implements runner.Runner.
func (r *processRunner) ID() string { return strconv.Itoa(r.pid()) }

// Diagnose implements runner.Runner.
func (r *processRunner) Diagnose(context.Context) string { return r.said.tail(5) }

// PluginToHost implements runner.Runner.
func (r *processRunner) PluginToHost(network, addr string) (string, string, error) {
	return network, addr, nil
}

// HostToPlugin implements runner.Runner.
func (r *processRunner) HostToPlugin(network, addr string) (string, string, error) {
	return network, addr, nil
}
