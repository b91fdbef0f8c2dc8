package pluginmain_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/pluginmain"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
	"github.com/haul-dl/haul/sdk/wire"
)

// What the test's own executable plays, by this variable: a plugin, or a host
// that starts one and does nothing more.
const (
	roleVariable  = "PLUGINMAIN_TEST_ROLE"
	closeVariable = "PLUGINMAIN_TEST_CLOSED"
	hangVariable  = "PLUGINMAIN_TEST_HANG"
	pidVariable   = "PLUGINMAIN_TEST_PID"
)

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "plugin":
		pluginmain.Serve(closing{scripted.New(scripted.Options{})})
	case "host":
		playHost()
	default:
		os.Exit(m.Run())
	}
}

// closing writes a line to a file for each Close of its driver.
type closing struct{ *scripted.Plugin }

func (c closing) Configure(ctx context.Context, cfg downloader.Config) (downloader.Driver, error) {
	d, err := c.Plugin.Configure(ctx, cfg)
	return closingDriver{d}, err
}

type closingDriver struct{ downloader.Driver }

func (closingDriver) Close(context.Context) error {
	f, err := os.OpenFile(os.Getenv(closeVariable), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(f, "closed"); err != nil {
		return err
	}
	if os.Getenv(hangVariable) != "" {
		select {}
	}
	return nil
}

func playHost() {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=plugin", cookie())
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	if err := os.WriteFile(os.Getenv(pidVariable), []byte(strconv.Itoa(cmd.Process.Pid)), 0o600); err != nil {
		panic(err)
	}
	_ = cmd.Wait()
}

func cookie() string {
	return wire.Handshake.MagicCookieKey + "=" + wire.Handshake.MagicCookieValue
}

// process is a plugin process that is configured.
type process struct {
	client *plugin.Client
	remote *wire.Client
	driver downloader.Driver
	cmd    *exec.Cmd
	pipe   *os.File // the host's end
	closed string
}

func startPlugin(t *testing.T, env ...string) *process {
	t.Helper()
	r, w, err := os.Pipe()
	must(t, err)
	p := &process{pipe: w, closed: filepath.Join(t.TempDir(), "closed"), cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), roleVariable+"=plugin", closeVariable+"="+p.closed, "HAUL_HOST_FD=3", "TMPDIR="+t.TempDir())
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.ExtraFiles = []*os.File{r}
	p.client = plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig: wire.Handshake, VersionedPlugins: wire.VersionedPlugins(nil), Cmd: p.cmd,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC}, AutoMTLS: true, Logger: hclog.NewNullLogger(),
	})
	t.Cleanup(func() {
		p.client.Kill()
		_ = w.Close()
	})
	protocol, err := p.client.Client()
	must(t, err)
	must(t, r.Close())
	raw, err := protocol.Dispense(wire.PluginName)
	must(t, err)
	p.remote = raw.(*wire.Client)
	p.driver, err = p.remote.Configure(within(t, 20*time.Second), downloader.Config{StateDir: t.TempDir()})
	must(t, err)
	return p
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(15 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

func TestAPluginEndsAndClosesItsDriverOnce(t *testing.T) {
	ways := map[string]func(*testing.T, *process){
		"when haul kills it": func(_ *testing.T, p *process) { p.client.Kill() },
		"when haul is gone":  func(t *testing.T, p *process) { must(t, p.pipe.Close()) },
		"when it is terminated": func(t *testing.T, p *process) {
			must(t, p.cmd.Process.Signal(syscall.SIGTERM))
		},
		"when it is drained, then killed": func(t *testing.T, p *process) {
			must(t, p.remote.Drain(within(t, 10*time.Second), time.Second))
			p.client.Kill()
		},
		"when it is terminated while haul goes": func(t *testing.T, p *process) {
			must(t, p.cmd.Process.Signal(syscall.SIGTERM))
			must(t, p.pipe.Close())
		},
	}
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startPlugin(t)
			end(t, p)
			eventually(t, "the process ends", p.client.Exited)
			b, err := os.ReadFile(p.closed)
			must(t, err)
			if got := strings.Count(string(b), "closed"); got != 1 {
				t.Errorf("the driver was closed %d times", got)
			}
		})
	}
}

func TestADriverThatDoesNotCloseKeepsNoProcessAlive(t *testing.T) {
	t.Parallel()
	p := startPlugin(t, hangVariable+"=1")
	must(t, p.cmd.Process.Signal(syscall.SIGTERM))
	eventually(t, "the process ends", p.client.Exited)
}

func TestAPluginTakesTorrentsOfTenMebibytes(t *testing.T) {
	p := startPlugin(t)
	_, err := p.driver.Add(within(t, 20*time.Second), downloader.AddRequest{
		JobID: "j", Dir: t.TempDir(), Source: downloader.Source{Kind: downloader.SourceTorrent, Content: make([]byte, 10<<20)},
	})
	must(t, err)
	if _, err := p.driver.(downloader.Tester).Test(within(t, time.Second)); !errs.Is(err, errs.NotOffered) {
		t.Errorf("a driver that wraps another offers more than it has: %v", err)
	}
}

func TestAPluginEndsWithItsParent(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), roleVariable+"=host", pidVariable+"="+pidFile, "TMPDIR="+t.TempDir())
	must(t, host.Start())
	var pid int
	eventually(t, "the plugin starts", func() bool {
		b, err := os.ReadFile(pidFile)
		if err == nil {
			pid, err = strconv.Atoi(string(b))
		}
		return err == nil
	})
	t.Cleanup(func() {
		if alive(pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	eventually(t, "the plugin serves", func() bool { return hasSocket(pid) })
	must(t, host.Process.Kill())
	_ = host.Wait() // killed
	eventually(t, "the plugin ends", func() bool { return !alive(pid) })
}

// hasSocket reports whether the process has opened a socket.
func hasSocket(pid int) bool {
	fds, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, "socket:") {
			return true
		}
	}
	return false
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestRunByHandItExplainsItself(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"=plugin")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || err == nil {
		t.Errorf("it ended with %v", err)
	}
	if !strings.Contains(string(out), "is a plugin of haul") || !strings.Contains(string(out), "haul plugin ls") {
		t.Errorf("it said: %s", out)
	}
}
