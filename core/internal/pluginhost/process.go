package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// errKilled marks the end of a process by a SIGKILL that was not ours, which
// is mostly the kernel's for want of memory, and no fault of the plugin's start.
var errKilled = errors.New("killed from outside")

// process is one start of a plugin that is ready to be called. It has one
// owner, who calls stop once.
type process struct {
	contract *contract
	name     string
	tuning   tuning
	log      hclog.Logger
	dir      processDir
	run      *procRunner
	client   *plugin.Client
	conn     *grpc.ClientConn
	remote   peer
	desc     downloader.Description
}

// launcher starts processes.
type launcher struct {
	tuning  tuning
	spawner *spawner
	runtime *runtimeDir
}

// launch starts the binary of a plugin, and returns when it has
// described itself. Errors: errs.PluginUntrusted (changed file),
// errs.PluginIncompatible, errs.PluginCrashed, errs.PluginHung,
// errs.Unavailable (this machine is in trouble), errs.Canceled.
func (l *launcher) launch(ctx context.Context, b binary, plugged key, log hclog.Logger) (_ *process, err error) {
	file, err := b.open()
	if err != nil {
		return nil, err
	}
	defer file.close()
	dir, err := l.runtime.make()
	if err != nil {
		return nil, errs.Wrap(err, errs.Unavailable, "The plugin could not be started.")
	}
	relay := newRelay(log, l.tuning)
	p := &process{
		contract: contractOf(plugged.kind), name: plugged.name, tuning: l.tuning, log: log, dir: dir,
		run: newRunner(file, dir, pluginEnv(os.Environ()), l.spawner, relay, l.tuning),
	}
	p.client = plugin.NewClient(p.clientConfig(relay))
	defer func() {
		if err != nil {
			p.stop(false)
		}
	}()
	if err := p.connect(ctx); err != nil {
		return nil, err
	}
	if err := p.describe(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// clientConfig is made anew for each start: the library keeps state in it.
func (p *process) clientConfig(relay *relay) *plugin.ClientConfig {
	config := &plugin.ClientConfig{
		HandshakeConfig:  p.contract.handshake,
		VersionedPlugins: p.contract.sets(),
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     p.tuning.startTimeout,
		UnixSocketConfig: &plugin.UnixSocketConfig{TempDir: p.dir.sockets},
		GRPCDialOptions:  []grpc.DialOption{grpc.WithStreamInterceptor(newPace(p.tuning.streamRate).streams())},
		SyncStdout:       &lineWriter{fn: relay.stdout},
		SyncStderr:       &lineWriter{fn: relay.stderr},
		// What the library would say is in our errors, or said by the relay.
		Logger: hclog.NewNullLogger(),
		RunnerFunc: func(_ hclog.Logger, cmd *exec.Cmd, _ string) (runner.Runner, error) {
			p.run.env = append(p.run.env, cmd.Env...)
			return p.run, nil
		},
	}
	p.run.withoutTLS = func() { config.TLSConfig = nil }
	return config
}

// connect starts the process and opens the connection.
func (p *process) connect(ctx context.Context) error {
	type result struct {
		protocol plugin.ClientProtocol
		err      error
	}
	done := make(chan result, 1)
	go func() {
		protocol, err := p.client.Client()
		done <- result{protocol, err}
	}()
	// The library's own timeout covers the handshake alone.
	limited, cancel := context.WithTimeout(ctx, p.tuning.startTimeout+p.tuning.describeTimeout)
	defer cancel()
	var r result
	select {
	case r = <-done:
	case <-limited.Done():
		// The end of the process ends whatever the library waits for.
		r.err = errors.Join(p.run.Kill(ctx), context.Cause(limited))
		select {
		case <-done:
		case <-time.After(p.tuning.reapWait):
			p.log.Error("go-plugin does not return from a start that was given up")
		}
	}
	if r.err != nil {
		return p.explainStart(ctx, r.err)
	}
	return p.dispense(r.protocol)
}

func (p *process) dispense(protocol plugin.ClientProtocol) error {
	raw, err := protocol.Dispense(p.contract.dispenses)
	if err != nil {
		return errs.Wrap(err, errs.PluginIncompatible, "The plugin %s does not serve a %s.", p.name, p.contract.kind)
	}
	client, ok := protocol.(*plugin.GRPCClient)
	remote, ok2 := p.contract.adopt(raw)
	if !ok || !ok2 {
		return errs.New(errs.PluginIncompatible, "The plugin %s does not serve a %s.", p.name, p.contract.kind)
	}
	p.conn, p.remote = client.Conn, remote
	return nil
}

// describe makes the first call: only its answer shows that both sides speak
// the same TLS and the same contract.
func (p *process) describe(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, p.tuning.describeTimeout)
	defer cancel()
	desc, err := p.remote.describe(limited)
	switch {
	case err == nil && desc.Name != p.name:
		return errs.New(errs.PluginIncompatible, "The plugin calls itself %q, but its file is named %q.", desc.Name, p.contract.fileOf(p.name)).
			WithHint("Rename the file to %s.", p.contract.fileOf(desc.Name))
	case err == nil:
		p.desc = desc
		return nil
	case errs.Is(err, errs.PluginIncompatible):
		return err
	}
	return p.explainStart(ctx, err)
}

// explainStart finds out why a start came to nothing.
func (p *process) explainStart(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errs.Wrap(ctx.Err(), errs.Canceled, "The start of the plugin was given up.")
	}
	if p.endedByItself() {
		if p.run.relay.isForeign() {
			return errs.Wrap(p.exitError("ended at its start"), errs.PluginIncompatible, "The plugin %s is a plugin of another program.", p.name).
				WithHint("Put it into the directory of the program that it is for.")
		}
		return p.exitError("ended at its start")
	}
	switch errs.CodeOf(err) {
	case errs.PluginUntrusted, errs.PluginIncompatible, errs.Unavailable, errs.Canceled:
		return err // the runner's own words
	}
	shaken := p.run.shaken.Load()
	if shaken != nil {
		if why := shaken.explain(p.contract, p.name); why != nil {
			return why
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || shaken == nil {
		return errs.Wrap(err, errs.PluginHung, "The plugin %s did not get ready in time.", p.name)
	}
	return errs.Wrap(err, errs.PluginIncompatible, "The plugin %s does not speak haul's contract.", p.name)
}

// endedByItself reports whether the process has ended, or does so now,
// otherwise than by our hand.
func (p *process) endedByItself() bool {
	if p.run.ID() == "" {
		return false
	}
	select {
	case <-p.run.exited:
	case <-time.After(2 * p.tuning.pipeLinger):
		return false
	}
	return !p.run.wasKilled() || !killedFromOutside(p.run.state)
}

// exitError tells how the process ended. It must have.
func (p *process) exitError(what string) error {
	cause := p.run.waitErr
	if words := p.run.relay.LastWords(); words != "" {
		cause = errors.Join(cause, errors.New(words))
	}
	if killedFromOutside(p.run.state) && !p.run.wasKilled() {
		cause = errors.Join(cause, errKilled)
	}
	return errs.Wrap(cause, errs.PluginCrashed, "The plugin %s %s (%s).", p.name, what, p.run.state)
}

// health asks whether the process is well.
func (p *process) health(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.tuning.healthTimeout)
	defer cancel()
	resp, err := grpc_health_v1.NewHealthClient(p.conn).
		Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: plugin.GRPCServiceName})
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	if resp.GetStatus() != grpc_health_v1.HealthCheckResponse_SERVING {
		return fmt.Errorf("health check: %s", resp.GetStatus())
	}
	return nil
}

// stop ends the process and removes what it had, in bounded time. With drain
// it first lets calls end and the driver close.
func (p *process) stop(drain bool) {
	if drain && !p.run.ended() {
		p.drain()
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		// It blocks for as long as the plugin hangs: its RPC has no deadline.
		p.client.Kill()
		if p.run.ID() != "" {
			<-p.run.exited
		}
	}()
	if !closedWithin(done, p.tuning.killGrace) {
		if err := p.run.Kill(context.Background()); err != nil {
			p.log.Error("plugin cannot be killed", "err", err)
		}
		if !closedWithin(done, p.tuning.reapWait) {
			p.log.Error("plugin is still there after it was killed", "pid", p.run.pid())
		}
	}
	if err := p.dir.remove(); err != nil {
		p.log.Warn("directory of plugin process stays", "err", err)
	}
}

func (p *process) drain() {
	ctx, cancel := context.WithTimeout(context.Background(), p.tuning.drainGrace+p.tuning.killGrace/2)
	defer cancel()
	if err := p.remote.Drain(ctx, p.tuning.drainGrace); err != nil {
		p.log.Warn("plugin did not drain in time", "err", err)
	}
}

func closedWithin(done <-chan struct{}, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return true
	case <-t.C:
		return false
	}
}
