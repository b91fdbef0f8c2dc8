package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 30 * time.Second
	startTries   = 3
	probeTimeout = 15 * time.Second
	probeEvery   = 20 * time.Millisecond
)

// ports are those of one daemon.
type ports struct{ api, peer int }

// program says how one kind of daemon is started.
type program struct {
	name string // of the executable
	pkg  string // Debian package that has it
	// configure writes the configuration for these ports.
	configure func(p ports) error
	// command returns arguments and additional environment.
	command func(p ports) (args, env []string)
	// ready makes a request that only this very daemon answers well.
	ready func(ctx context.Context, client *http.Client, p ports) error
	// mayHang is for one that now and then does not end by a SIGTERM, which is
	// no news to the tests; it is killed then.
	mayHang bool
}

// daemon is a program that runs for a test, in a directory of its own.
type daemon struct {
	program
	t     testing.TB
	path  string // of the executable
	base  string
	user  *User // nil for an unprivileged root
	ports ports
	proc  *process
}

// daemonsEnv names a directory whose executables are taken before those of the
// PATH: the same tests then run against other versions of the daemons.
const daemonsEnv = "HAUL_TEST_DAEMONS"

func findDaemon(name string) (string, error) {
	if dir := os.Getenv(daemonsEnv); dir != "" {
		path, err := filepath.Abs(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		if path, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// start brings a daemon up on free ports; another try with other ones is made
// when somebody else was faster to take them.
func (d *daemon) start() {
	d.t.Helper()
	var err error
	if d.path, err = findDaemon(d.name); err != nil {
		d.t.Fatalf("%s is missing, install it: apt-get install %s", d.name, d.pkg)
	}
	d.t.Cleanup(d.cleanup)
	for range startTries {
		d.ports = ports{api: FreePort(d.t), peer: FreePort(d.t)}
		if err = d.configure(d.ports); err != nil {
			d.t.Fatalf("configure %s: %v", d.name, err)
		}
		if err = d.run(); err == nil {
			return
		}
	}
	d.t.Fatalf("start %s: %v\n%s", d.name, err, d.logTail())
}

// restart brings it up again, with the same ports and whatever it kept. Some
// daemons crash at their start now and then, such as qBittorrent 4.5.2.
func (d *daemon) restart() {
	d.t.Helper()
	d.stop()
	var err error
	for range startTries {
		if err = d.run(); err == nil {
			return
		}
	}
	d.t.Fatalf("restart %s: %v\n%s", d.name, err, d.logTail())
}

// run starts the process and waits until it answers.
func (d *daemon) run() error {
	if err := d.launch(); err != nil {
		return err
	}
	if err := d.waitReady(); err != nil {
		d.proc.kill()
		return err
	}
	return nil
}

func (d *daemon) launch() error {
	args, env := d.command(d.ports)
	cmd, err := commandAs(d.user, d.path, args...)
	if err != nil {
		return err
	}
	if d.user != nil {
		if err := d.user.house(d.base); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(d.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = d.base, log, log
	cmd.Env = append(d.environment(), env...)
	d.proc, err = startProcess(cmd)
	return err
}

// environment has nothing of the person who runs the tests: neither a home
// nor a proxy, through which even loopback addresses would be asked for.
func (d *daemon) environment() []string {
	env := []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8"}
	for _, name := range []string{"HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"} {
		env = append(env, name+"="+d.base)
	}
	return env
}

func (d *daemon) waitReady() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	client := newClient()
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	for {
		err := d.ready(ctx, client, d.ports)
		if err == nil {
			return nil
		}
		select {
		case <-d.proc.done:
			return errors.New("it ended at once")
		case <-ctx.Done():
			return fmt.Errorf("it does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// newClient returns a client that keeps no connection.
func newClient() *http.Client {
	return &http.Client{Timeout: probeTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
}

func (d *daemon) stop() {
	d.t.Helper()
	if !d.proc.stop(stopTimeout) && !d.mayHang {
		d.t.Errorf("%s did not end within %s of a SIGTERM", d.name, stopTimeout)
	}
}

func (d *daemon) kill9() { d.proc.kill() }

func (d *daemon) cleanup() {
	if d.proc == nil || d.proc.cmd.Process == nil {
		return
	}
	d.stop()
	if left := d.proc.leftovers(); len(left) > 0 {
		d.t.Errorf("%s left processes behind: %v", d.name, left)
	}
	if d.t.Failed() {
		d.t.Logf("the log of %s:\n%s", d.name, d.logTail())
	}
}

func (d *daemon) logPath() string { return filepath.Join(d.base, "log") }

// logTail returns the end of what the daemon has printed.
func (d *daemon) logTail() []byte {
	const most = 8 << 10
	raw, err := os.ReadFile(d.logPath())
	if err != nil {
		return []byte(err.Error())
	}
	return bytes.TrimSpace(raw[max(0, len(raw)-most):])
}
