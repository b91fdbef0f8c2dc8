package childproc_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sys/unix"

	"github.com/haul-dl/haul/sdk/childproc"
	"github.com/haul-dl/haul/sdk/errs"
)

const ownerVariable = "CHILDPROC_TEST_OWNER"

// TestMain plays a plugin that owns a daemon, where a test asks for one.
func TestMain(m *testing.M) {
	if pidFile := os.Getenv(ownerVariable); pidFile != "" {
		own(pidFile)
		return
	}
	os.Exit(m.Run())
}

func own(pidFile string) {
	p, err := childproc.Start(childproc.Options{Path: "sleep", Args: []string{"600"}, Logger: hclog.NewNullLogger()})
	if err != nil {
		panic(err)
	}
	if err := os.WriteFile(pidFile, []byte(strconv.Itoa(p.PID())), 0o600); err != nil {
		panic(err)
	}
	_ = p.Wait()
}

func start(t *testing.T, script string, log *buffer) *childproc.Process {
	t.Helper()
	p, err := childproc.Start(childproc.Options{
		Path: "sh", Args: []string{"-c", script}, Dir: t.TempDir(),
		Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Debug, Output: log}),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Stop(ctx)
	})
	return p
}

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// eventually polls until ok holds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// alive reports whether a process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func TestOutputIsLoggedLineByLine(t *testing.T) {
	var log buffer
	p := start(t, `echo to stdout; echo to stderr >&2; head -c 100000 /dev/zero | tr '\0' x; echo; echo last; exit 3`, &log)
	err := p.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("Wait: %v", err)
	}
	if !errors.Is(p.Err(), err) {
		t.Errorf("Err: %v", p.Err())
	}
	got := log.String()
	for _, want := range []string{"to stdout", "to stderr", "last"} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q", want)
		}
	}
	if len(got) > 20_000 {
		t.Errorf("a long line was not cut: %d bytes in the log", len(got))
	}
}

func TestStopEndsAChildThatListens(t *testing.T) {
	p := start(t, `trap 'exit 0' TERM; echo ready; while :; do sleep 0.01; done`, &buffer{})
	if err := p.Stop(within(t, 10*time.Second)); err != nil {
		t.Errorf("Stop: %v", err)
	}
	if alive(p.PID()) {
		t.Error("it is still there")
	}
	if err := p.Stop(within(t, time.Second)); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestStopKillsAChildThatDoesNot(t *testing.T) {
	var log buffer
	p := start(t, `trap '' TERM; echo ready; while :; do sleep 0.01; done`, &log)
	eventually(t, "the trap is set", func() bool { return strings.Contains(log.String(), "ready") })
	if err := p.Stop(within(t, 20*time.Millisecond)); !errs.Is(err, errs.DeadlineExceeded) {
		t.Errorf("Stop: %v", err)
	}
	if alive(p.PID()) {
		t.Error("it is still there")
	}
}

func TestGrandchildrenEndWithTheChild(t *testing.T) {
	dir := t.TempDir()
	pidFile := filepath.Join(dir, "pid")
	p := start(t, fmt.Sprintf(`sleep 600 & echo $! > %s.new; mv %s.new %s; exit 0`, pidFile, pidFile, pidFile), &buffer{})
	select {
	case <-p.Done():
	case <-within(t, 10*time.Second).Done():
		t.Fatal("a grandchild that holds the pipes keeps the child from being done")
	}
	pid := readPID(t, pidFile)
	eventually(t, "the grandchild ends", func() bool { return !alive(pid) })
}

func readPID(t *testing.T, file string) int {
	t.Helper()
	var pid int
	eventually(t, "a pid in "+filepath.Base(file), func() bool {
		b, err := os.ReadFile(file)
		if err != nil {
			return false
		}
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil
	})
	return pid
}

func TestTheChildDiesWithItsOwner(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "pid")
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), ownerVariable+"="+pidFile)
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, pidFile)
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait() // killed
	eventually(t, "the child ends", func() bool { return !alive(pid) })
}

func TestTheChildOutlivesTheGoroutineThatStartedIt(t *testing.T) {
	processes := make(chan *childproc.Process)
	go func() {
		// The thread ends with this goroutine, since it stays locked.
		runtime.LockOSThread()
		p, err := childproc.Start(childproc.Options{Path: "sleep", Args: []string{"600"}, Logger: hclog.NewNullLogger()})
		if err != nil {
			t.Error(err)
		}
		processes <- p
	}()
	p := <-processes
	select {
	case <-p.Done():
		t.Fatal("the child died with the thread of its starter")
	case <-time.After(100 * time.Millisecond):
	}
	if pgid, err := unix.Getpgid(p.PID()); err != nil || pgid != p.PID() {
		t.Errorf("its group is %d, %v", pgid, err)
	}
	_ = p.Stop(within(t, 10*time.Second)) // SIGTERM ends sleep
	if p.Err() == nil {
		t.Error("an end by a signal passes for a clean one")
	}
}

func TestWhatIsNotThereDoesNotStart(t *testing.T) {
	_, err := childproc.Start(childproc.Options{Path: filepath.Join(t.TempDir(), "nothing"), Logger: hclog.NewNullLogger()})
	if !errs.Is(err, errs.DownloaderError) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
