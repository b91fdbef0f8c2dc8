package pluginhost

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestLogLineOfWrongTypesDoesNotEndTheHost(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	for _, line := range []string{
		`{"@message": 5, "@level": "warn"}`, `{"@level": {"a":1}, "@message":"odd level"}`,
		`{"@timestamp": 7, "@message":"odd time"}`, `{"@message":"broken"`, `{}`, `null`,
	} {
		mustDo(t, in, "log "+line)
	}
	mustDo(t, in, `log {"@level":"warn","@message":"last one","size":3}`)
	r.awaitLog("[WARN]", "last one", "plugin=good", "downloader=my-good", "size=3")
	r.awaitLog("[WARN]", " 5")
	works(t, in)
}

func TestHungPluginIsKilledAndStartedAgain(t *testing.T) {
	tune := testTuning()
	tune.healthTimeout = 300 * time.Millisecond
	r := newRig(t, tune, "good")
	in := r.startReady("good")
	pid := in.Status().PID
	_, err := do(t, in, "stop")
	if !errs.Is(err, errs.PluginHung) {
		t.Errorf("the call that hangs fails with %v", err)
	}
	if s := r.awaitRestart(in, pid); s.Restarts == 0 || s.Err != nil {
		t.Errorf("after the restart: %+v", s)
	}
	if !isGone(pid) {
		t.Error("the hung process is still there")
	}
	works(t, in)
}

func TestGrandchildThatHoldsThePipesIsKilledWithThePlugin(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	pid := in.Status().PID
	child, err := strconv.Atoi(mustDo(t, in, "child"))
	must(t, err)
	if _, err := do(t, in, "exit"); !errs.Is(err, errs.PluginCrashed) {
		t.Errorf("the call fails with %v", err)
	}
	r.awaitRestart(in, pid)
	eventually(t, func() bool { return isGone(child) }, says("end of the grandchild"))
}

func TestGrandchildThatHasLeftTheGroupHoldsNobodyUp(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	pid := in.Status().PID
	child, err := strconv.Atoi(mustDo(t, in, "child away"))
	must(t, err)
	defer func() { must(t, syscall.Kill(child, syscall.SIGKILL)) }()
	if _, err := do(t, in, "exit"); !errs.Is(err, errs.PluginCrashed) {
		t.Errorf("the call fails with %v", err)
	}
	r.awaitRestart(in, pid)
	works(t, in)
}

func TestPluginKeepsRunningWhenOtherThreadsEnd(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	pid := in.Status().PID
	var wg sync.WaitGroup
	for range 20 {
		// A goroutine that ends while it is locked takes its thread with it.
		wg.Go(runtime.LockOSThread)
	}
	wg.Wait()
	works(t, in)
	if got := in.Status().PID; got != pid {
		t.Errorf("the plugin died: %d, now %d", pid, got)
	}
}

const (
	hostDirEnv = "HAUL_TEST_HOST_DIR"
	secretEnv  = "HAUL_ADMIN_PASSWORD"
)

// runAsHost is a haul that will be killed.
func runAsHost(dir string) {
	h, err := newHost(Options{
		Dirs: []string{filepath.Join(dir, "plugins")}, RuntimeDir: filepath.Join(dir, "run"),
		StateDir: filepath.Join(dir, "state"), Logger: hclog.NewNullLogger(),
	}, testTuning())
	if err == nil {
		err = h.Rescan(context.Background())
	}
	if err != nil {
		panic(err)
	}
	in := h.Open(Spec{ID: "id", Name: "n", Plugin: "good", Settings: []byte(`{}`)})
	for in.Status().State != StateRunning {
		time.Sleep(time.Millisecond)
	}
	println(in.Status().PID)
	select {}
}

func TestKilledHostLeavesNoPlugin(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	must(t, r.Close(t.Context()))

	host := exec.Command(os.Args[0])
	host.Env = append(os.Environ(), hostDirEnv+"="+r.dir)
	out, err := host.StderrPipe()
	must(t, err)
	must(t, host.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("host says %q", line)
	}
	if isGone(pid) {
		t.Fatal("the plugin does not run")
	}
	must(t, host.Process.Kill())
	_ = host.Wait() // killed
	eventually(t, func() bool { return isGone(pid) }, says("end of the plugin"))

	// The next host starts in the same place and removes what is left.
	next := r.open(testTuning(), Options{})
	if left := entries(t, filepath.Join(r.dir, "run")); len(left) != 1 || left[0] != "lock" {
		t.Errorf("left in the runtime directory: %v", left)
	}
	must(t, next.Close(t.Context()))
}

func TestPluginSeesOnlyTheAllowedEnvironment(t *testing.T) {
	t.Setenv(secretEnv, "s3cret")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
	t.Setenv("LC_TIME", "C")
	t.Setenv("https_proxy", "http://proxy.test:1")
	r := newRig(t, testTuning(), "good")
	env := mustDo(t, r.startReady("good"), "env")
	if strings.Contains(env, "s3cret") || strings.Contains(env, secretEnv) {
		t.Errorf("secrets leak:\n%s", env)
	}
	for _, want := range []string{"PATH=" + os.Getenv("PATH"), "LC_TIME=C", "https_proxy=http://proxy.test:1", "HAUL_HOST_FD=3"} {
		if !strings.Contains("\n"+env+"\n", "\n"+want+"\n") {
			t.Errorf("%s is missing in\n%s", want, env)
		}
	}
}

func TestLongLinesAreCutAndBlockNobody(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	for range 3 {
		mustDo(t, in, "long")
	}
	r.awaitLog("by gRPC", "stream=stdout")
	for _, part := range []string{strings.Repeat("y", 1000), strings.Repeat("y", 1000) + "\n"} {
		r.awaitLog(strings.TrimSpace(part))
	}
	for line := range strings.Lines(r.logs.String()) {
		if len(line) > maxLine+1000 {
			t.Errorf("a log line has %d bytes", len(line))
		}
	}
	works(t, in)
}

func TestTextBeforeTheHandshakeDoesNotBreakTheStart(t *testing.T) {
	r := newRig(t, testTuning(), "chatty")
	works(t, r.startReady("chatty"))
	r.awaitLog("hello from the constructor", "[DEBUG]")
}

func TestStartThatCannotSucceed(t *testing.T) {
	tune := testTuning()
	tune.startTimeout = time.Second
	tune.describeTimeout = time.Second
	tests := []struct {
		name   string
		plugin string
		code   errs.Code
		msg    string
	}{
		{"a program that exits has crashed, with its status", "exits", errs.PluginCrashed, "exit status 3"},
		{"one that the kernel kills has crashed", "killed", errs.PluginCrashed, "signal: killed"},
		{"a program that is no plugin does not get ready", "stranger", errs.PluginHung, "in time"},
		{"an unknown version of the contract is incompatible", "old", errs.PluginIncompatible, "version 9 of haul's contract, which is newer than 2"},
		{"half a handshake is incompatible", "short", errs.PluginIncompatible, "half a handshake"},
		{"another protocol than gRPC is incompatible", "netrpc", errs.PluginIncompatible, "gRPC"},
		{"a plugin of another program is incompatible", "foreign", errs.PluginIncompatible, "another program"},
		{"an address on another machine is not called", "elsewhere", errs.PluginIncompatible, "contract"},
		{"another name than the file's is incompatible", "misnamed", errs.PluginIncompatible, "somebody-else"},
		{"a plugin that never describes itself hangs", "asleep", errs.PluginHung, "in time"},
	}
	names := make([]string, 0, len(tests))
	for _, tt := range tests {
		names = append(names, tt.plugin)
	}
	r := newRig(t, tune, names...)
	found := map[string]Plugin{}
	for _, p := range r.Plugins() {
		found[p.Name] = p
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := found[tt.plugin].Err
			if !errs.Is(err, tt.code) || !strings.Contains(errs.MessageOf(err), tt.msg) {
				t.Errorf("got %v (%s), want %s with %q", err, errs.CodeOf(err), tt.code, tt.msg)
			}
		})
	}
	if err := found["exits"].Err; !strings.Contains(err.Error(), "no reason to live") {
		t.Errorf("the log does not get the last words: %v", err)
	}
	if left := entries(t, filepath.Join(r.dir, "run")); len(left) != 1 {
		t.Errorf("failed starts leave %v", left)
	}
}

func TestPluginWithoutCertificateIsACitizen(t *testing.T) {
	r := newRig(t, testTuning(), "plain")
	works(t, r.startReady("plain"))
	// One start for its description, one to run: none to find out about TLS.
	if got := entries(t, filepath.Join(r.dir, "run")); !slices.Contains(got, "p-2") {
		t.Errorf("started more often than needed: %v", got)
	}
}

func TestFloodOfLogsIsLimited(t *testing.T) {
	tune := testTuning()
	tune.logRate, tune.logBurst = 20, 100
	r := newRig(t, tune, "good")
	in := r.startReady("good")
	mustDo(t, in, "flood 20000")
	works(t, in)
	must(t, in.Close(t.Context()))
	r.awaitLog("logs too much", "[WARN]")
	if n := strings.Count(r.logs.String(), "flood "); n > 2000 {
		t.Errorf("%d lines of the flood came through", n)
	}
}

func TestStopOfAHungPluginIsBounded(t *testing.T) {
	tune := testTuning()
	tune.healthEvery = time.Hour
	r := newRig(t, tune, "good")
	in := r.startReady("good")
	pid := in.Status().PID
	must(t, syscall.Kill(pid, syscall.SIGSTOP))
	began := time.Now()
	must(t, in.Close(t.Context()))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	if !isGone(pid) {
		t.Error("the process is still there")
	}
}

func TestNothingGrowsOverRestarts(t *testing.T) {
	r := newRig(t, testTuning(), "good")
	in := r.startReady("good")
	restart := func() {
		pid := in.Status().PID
		must(t, syscall.Kill(pid, syscall.SIGKILL))
		r.awaitRestart(in, pid)
		works(t, in)
	}
	restart()
	before := usage(t)
	for range 20 {
		restart()
	}
	r.assertUsage(before)
	if left := entries(t, filepath.Join(r.dir, "run")); len(left) != 2 {
		t.Errorf("one process runs, and there are %v", left)
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newRig(t, testTuning(), "good", "chatty")
	pids := []int{r.startReady("good").Status().PID, r.startReady("chatty").Status().PID}
	began := time.Now()
	must(t, r.Close(t.Context()))
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("Close took %s", took)
	}
	for _, pid := range pids {
		if !isGone(pid) {
			t.Errorf("process %d is still there", pid)
		}
	}
	if left := entries(t, filepath.Join(r.dir, "run")); len(left) != 0 {
		t.Errorf("left in the runtime directory: %v", left)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "state", "id-good", "closed")); err != nil {
		t.Errorf("the driver was not closed: %v", err)
	}
	eventually(t, func() bool { return runtime.NumGoroutine() <= before }, says("end of the host's goroutines"))
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	must(t, err)
	names := make([]string, 0, len(list))
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}
