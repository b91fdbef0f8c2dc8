package driver

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

const (
	managedSettings = `{"managed":{"dht":false,"interface":"127.0.0.1"}}`
	helperVariable  = "HAUL_TEST_MANAGED_STATE"
)

// TestMain also is the plugin process that a test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("HAUL_TEST_DAEMONS"); dir != "" { // as package lab does
		if err := os.Setenv("PATH", dir+":"+os.Getenv("PATH")); err != nil {
			panic(err)
		}
	}
	if dir := os.Getenv(helperVariable); dir != "" {
		runHelper(dir)
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil { // they wait more than they work
		panic(err)
	}
	os.Exit(m.Run())
}

// runHelper runs a managed driver until the process is killed; it prints the
// daemon's process id.
func runHelper(dir string) {
	drv, err := New().Configure(context.Background(), downloader.Config{
		DownloaderID: "dl-1", Settings: []byte(managedSettings), StateDir: dir, MaxActive: 50, Logger: nullLogger(),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := drv.(*Driver)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := d.Test(ctx); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.daemon.PID())
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	_ = d.Close(ctx)
}

func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func waitReady(t *testing.T, d *Driver) {
	t.Helper()
	r, err := d.Test(t.Context())
	if err != nil || !r.OK() {
		t.Fatalf("managed aria2 is not ready: %+v, %v", r, err)
	}
}

func TestManagedDaemonNeedsNoSettingsAndKeepsItsSecret(t *testing.T) {
	t.Parallel()
	w, state, dir := startWeb(t), t.TempDir(), t.TempDir()
	d := newDriverIn(t, managedSettings, state)
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/file/100000/x"))
	await(t, d, ref, downloader.PhaseComplete)
	sameFile(t, dir, "x", content(100000))

	pid := d.daemon.PID()
	ep, err := d.daemon.Endpoint(t.Context())
	if err != nil || len(ep.Secret) < 20 {
		t.Fatalf("endpoint: %v", err)
	}
	for _, f := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, f))
		if err != nil || strings.Contains(string(b), ep.Secret) {
			t.Errorf("%s shows the secret (%v)", f, err)
		}
	}
	info, err := os.Stat(filepath.Join(state, "aria2.conf"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("aria2.conf: %v, %v", info, err)
	}
	began := time.Now()
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if alive(pid) {
		t.Error("aria2 runs on after Close")
	}
	t.Logf("Close took %v", time.Since(began))
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("Close took %v", took)
	}
}

func TestManagedDaemonIsStartedAgainAndGoesOn(t *testing.T) {
	t.Parallel()
	w, dir := startWeb(t), t.TempDir()
	w.rate = 200_000
	d := newDriver(t, managedSettings)
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/file/300000/x"))
	await(t, d, ref, downloader.PhaseDownloading)
	pid := d.daemon.PID()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	await(t, d, ref, downloader.PhaseComplete)
	sameFile(t, dir, "x", content(300000))
	if d.daemon.PID() == pid {
		t.Error("the same process")
	}
}

func TestManagedDaemonEndsWithAKilledPluginAndTheNextOneGoesOn(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), helperVariable+"="+state)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	pid, convErr := strconv.Atoi(strings.TrimSpace(line))
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if err != nil || convErr != nil {
		t.Fatalf("helper said %q: %v", line, err)
	}
	eventually(t, "aria2 has ended with its plugin", func() bool { return !alive(pid) })
	waitReady(t, newDriverIn(t, managedSettings, state))
}

func TestManagedDaemonGoesOnAfterAnOrderlyEnd(t *testing.T) {
	t.Parallel()
	const size = 4_000_000
	path := fmt.Sprintf("/file/%d/x", size)
	w, state, dir := startWeb(t), t.TempDir(), t.TempDir()
	w.rate = 1_000_000
	d := newDriverIn(t, managedSettings, state)
	ref := add(t, d, "job-1", dir, httpSource(w.URL+path))
	eventually(t, "half of it is there", func() bool {
		got, err := d.Check(t.Context(), []downloader.Ref{ref})
		return err == nil && got[0].DoneBytes >= size/2
	})
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, _ := w.served(path)
	await(t, newDriverIn(t, managedSettings, state), ref, downloader.PhaseComplete)
	if after, _ := w.served(path); after-before > size*7/10 {
		t.Errorf("loaded %d of %d bytes again", after-before, size)
	}
	sameFile(t, dir, "x", content(size))
}

func TestManagedDaemonBeginsAnewWhereTheServerCannotGoOn(t *testing.T) {
	t.Parallel()
	whole := content(4_000_000)
	w := startRangeless(t, whole)
	state, dir := t.TempDir(), t.TempDir()
	d := newDriverIn(t, managedSettings, state)
	ref := add(t, d, "job-1", dir, httpSource(w.URL+"/x"))
	eventually(t, "a part of it is there", func() bool {
		got, err := d.Check(t.Context(), []downloader.Ref{ref})
		return err == nil && got[0].DoneBytes > 0
	})
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	await(t, newDriverIn(t, managedSettings, state), ref, downloader.PhaseComplete)
	sameFile(t, dir, "x", whole)
}

func TestManagedDaemonReplacesALeftover(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	d := newDriverIn(t, managedSettings, state)
	waitReady(t, d)
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	left := exec.Command("aria2c", "--conf-path="+filepath.Join(state, "aria2.conf"))
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = left.Wait(); close(ended) }()
	t.Cleanup(func() { _ = left.Process.Kill(); <-ended })

	waitReady(t, newDriverIn(t, managedSettings, state))
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("two daemons run on one session")
	}
}

func TestManagedDaemonJoinsAPrivateSwarm(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	s.seed(t)
	d, dir := newDriver(t, managedSettings), t.TempDir()
	ref := add(t, d, "job-1", dir, downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()})
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))
}
