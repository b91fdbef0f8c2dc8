// Command badplugin is a plugin that misbehaves on demand: at its start in the
// way that its file name says, and later in the way that a source's URI says.
// Named as a plugin of storages it is a scripted one.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/hashicorp/go-plugin"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/pluginmain"
	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
)

func main() {
	if name, ok := strings.CutPrefix(filepath.Base(os.Args[0]), "haul-storage-"); ok {
		pluginmain.ServeStorage(scriptedstorage.Plugin{Name: name, Version: "1.0.0"})
		return
	}
	p := &bad{
		name:   strings.TrimPrefix(filepath.Base(os.Args[0]), "haul-downloader-"),
		stdout: os.Stdout, stderr: os.Stderr, // Serve replaces both
		env: os.Environ(),
	}
	p.begin()
	pluginmain.Serve(p)
}

type bad struct {
	name           string
	stdout, stderr io.Writer
	env            []string
}

func (p *bad) begin() {
	long := bytes.Repeat([]byte("x"), 300<<10)
	switch p.name {
	case "exits":
		fmt.Fprintln(p.stderr, "panic: no reason to live")
		os.Exit(3)
	case "killed":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "chatty":
		fmt.Fprintln(p.stdout, "hello from the constructor")
		fmt.Fprintln(p.stdout, "two|bars|only")
		fmt.Fprintf(p.stdout, "%s\n", long)
		fmt.Fprintf(p.stderr, "%s\n", long)
	case "stranger":
		fmt.Fprintln(p.stdout, "I am no plugin")
		select {}
	case "old":
		fmt.Println("1|9|unix|/tmp/x|grpc|")
		select {}
	case "before-last":
		serveRaw(p.name, 1)
	case "liar", "huge", "flood":
		serveRaw(p.name, 2)
	case "short":
		fmt.Println("1|2|unix")
		select {}
	case "netrpc":
		fmt.Println("1|2|unix|" + os.Getenv("PLUGIN_UNIX_SOCKET_DIR") + "/x|netrpc")
		select {}
	case "foreign":
		_ = os.Unsetenv("HAUL_PLUGIN")
		plugin.Serve(&plugin.ServeConfig{HandshakeConfig: plugin.HandshakeConfig{MagicCookieKey: "OTHER", MagicCookieValue: "x"}})
	case "elsewhere":
		fmt.Println("1|2|tcp|192.0.2.1:80|grpc|" + strings.Repeat("A", 60))
		select {}
	case "plain":
		_ = os.Unsetenv("PLUGIN_CLIENT_CERT")
	}
}

func (p *bad) Describe(context.Context) (downloader.Description, error) {
	name := p.name
	switch name {
	case "misnamed":
		name = "somebody-else"
	case "asleep":
		select {}
	}
	d := downloader.Description{
		Name: name, Version: version(), DisplayName: "Bad", SettingsSchema: []byte(`{"type":"object"}`),
		Sources: []downloader.SourceKind{downloader.SourceHTTP},
	}
	d.Managed = name == "managed"
	if name != "poor" {
		d.Capabilities = []downloader.Capability{downloader.CapabilityTest, downloader.CapabilityWatch}
	}
	return d, nil
}

func (p *bad) Configure(ctx context.Context, cfg downloader.Config) (downloader.Driver, error) {
	var settings struct{ Mode, Refuses string }
	if err := json.Unmarshal(cfg.Settings, &settings); err != nil {
		return nil, errs.Wrap(err, errs.InvalidSettings, "no JSON")
	}
	d := &driver{bad: p, cfg: cfg, events: make(chan []downloader.Status)}
	note(filepath.Join(cfg.StateDir, "configured"), string(cfg.Settings))
	if v := version(); strings.Contains(v, settings.Refuses) && settings.Refuses != "" {
		return nil, errs.New(errs.DownloaderError, "version %s does not like these settings", v)
	}
	switch settings.Mode {
	case "invalid":
		return nil, errs.New(errs.InvalidSettings, "no such address").WithField("address", "is wrong")
	case "busy":
		return nil, errs.New(errs.DownloaderError, "the daemon does not start")
	case "exit":
		os.Exit(4)
	case "slow":
		<-ctx.Done()
		return nil, ctx.Err()
	case "short":
		time.AfterFunc(20*time.Millisecond, func() { os.Exit(5) })
	}
	return d, nil
}

// version is 1.2.3, or what follows "version=" at the end of the executable.
func version() string {
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		return "unknown"
	}
	defer exe.Close()
	end := make([]byte, 64)
	if info, err := exe.Stat(); err == nil {
		_, _ = exe.ReadAt(end, info.Size()-int64(len(end)))
	}
	if _, v, found := strings.Cut(string(end), "version="); found {
		return v
	}
	return "1.2.3"
}

// note appends a line to a file that the test reads.
func note(path, line string) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

type driver struct {
	*bad
	cfg    downloader.Config
	events chan []downloader.Status
}

// Add does what the URI says. The answer is in the ref.
func (d *driver) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	ref := downloader.Ref{JobID: req.JobID, Version: 1}
	verb, arg, _ := strings.Cut(req.Source.URI, " ")
	switch verb {
	case "panic":
		go panic("boom\nand more") // out of reach of the SDK's recover
		<-ctx.Done()
	case "log":
		fmt.Fprintln(d.stderr, arg)
	case "print":
		fmt.Fprintln(d.stdout, arg)
	case "long":
		line := bytes.Repeat([]byte("y"), 300<<10)
		fmt.Fprintf(d.stderr, "%s\n", line)
		fmt.Fprintf(d.stdout, "%s\n", line)
		fmt.Fprintln(os.Stdout, "by gRPC")
	case "flood":
		n, _ := strconv.Atoi(arg)
		for i := range n {
			fmt.Fprintf(d.stderr, "{\"@level\":\"info\",\"@message\":\"flood %d\"}\n", i)
		}
	case "stop":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		<-ctx.Done() // the other threads may take a moment to stop
	case "child":
		child := exec.Command("sleep", "600")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: arg == "away"}
		child.Stdout, child.Stderr = d.stdout.(*os.File), d.stderr.(*os.File)
		if err := child.Start(); err != nil {
			return ref, err
		}
		ref.Opaque = []byte(strconv.Itoa(child.Process.Pid))
	case "exit":
		os.Exit(7)
	case "wait":
		<-ctx.Done()
		return ref, ctx.Err()
	case "linger":
		time.Sleep(300 * time.Millisecond)
	case "pid":
		ref.Opaque = []byte(strconv.Itoa(os.Getpid()))
	case "leak":
		go leak()
	case "later":
		time.AfterFunc(100*time.Millisecond, func() { panic("a goroutine") })
	case "env":
		ref.Opaque = []byte(strings.Join(d.env, "\n"))
	case "event":
		d.events <- []downloader.Status{{JobID: req.JobID, Phase: downloader.PhaseComplete}}
	case "fail":
		return ref, errs.New(errs.DownloaderUnreachable, "nobody there")
	}
	return ref, nil
}

// leak takes memory until it is stopped.
func leak() {
	var kept [][]byte
	for range time.Tick(time.Millisecond) {
		kept = append(kept, bytes.Repeat([]byte{1}, 4<<20))
	}
	fmt.Fprintln(os.Stderr, len(kept))
}

func (d *driver) Check(_ context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	out := make([]downloader.Status, 0, len(refs))
	for _, r := range refs {
		out = append(out, downloader.Status{JobID: r.JobID, Phase: downloader.PhaseDownloading})
	}
	return out, nil
}

func (d *driver) Remove(context.Context, downloader.Ref, bool) error { return nil }

func (d *driver) Test(context.Context) (downloader.TestResult, error) {
	return downloader.TestResult{Version: "9", Checks: []downloader.TestCheck{{Name: "reachable", Message: d.cfg.StateDir}}}, nil
}

func (d *driver) Watch(ctx context.Context, fn func([]downloader.Status)) error {
	for {
		select {
		case s := <-d.events:
			fn(s)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *driver) Close(context.Context) error {
	note(filepath.Join(d.cfg.StateDir, "closed"), "closed")
	return nil
}
