package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// TestKill9AsTheFirstAddsGoOut ends haul just when a daemon of somebody else
// has got the first of 40 downloads, ten times: it never has one twice, and
// nothing is loaded twice.
func TestKill9AsTheFirstAddsGoOut(t *testing.T) {
	t.Parallel()
	const tries, tasks, size, rate = 10, 40, 64 << 10, 96 << 10
	web := lab.StartWeb(t)
	daemon := lab.StartAria2(t, lab.Aria2Options{Args: []string{"--max-concurrent-downloads=1000"}})
	s := Start(t, Options{})
	s.Must("POST", "/downloaders", map[string]any{
		"name": "daemon", "plugin": "aria2", "settings": map[string]any{"address": daemon.Address, "secret": daemon.Secret},
	}, nil)
	s.WaitHealthy("daemon")
	for try := range tries {
		var paths, sources []string
		for i := range tasks {
			path := fmt.Sprintf("/paced/%d/%d/%d-%d.bin", rate, size, try, i)
			paths, sources = append(paths, path), append(sources, web.URL+path)
		}
		s.AddWith(map[string]any{"sources": sources, "downloader": "daemon", "destination": fmt.Sprint(try)})
		WaitFor(t, 30*time.Second, "the first add", func() bool { return len(gidsOf(t, daemon)) > 0 })
		s.Kill9()
		had := len(gidsOf(t, daemon))
		s.Restart()
		WaitFor(t, time.Minute, "all to be completed", func() bool {
			for uri, gids := range gidsOf(t, daemon) {
				if len(gids) != 1 {
					t.Errorf("try %d: the daemon has %s %d times: %v", try, uri, len(gids), gids)
				}
			}
			return len(s.Tasks("completed")) == (try+1)*tasks
		})
		for i, path := range paths {
			if n := web.Requests(path); n != 1 {
				t.Errorf("try %d: %s was asked for %d times", try, path, n)
			}
			if got := fileSHA256(t, filepath.Join(s.Home(), fmt.Sprint(try), fmt.Sprintf("%d-%d.bin", try, i))); got != web.SHA256(path) {
				t.Errorf("try %d: %s has wrong bytes", try, path)
			}
		}
		WaitFor(t, 30*time.Second, "the daemon to have nothing left", func() bool { return len(gidsOf(t, daemon)) == 0 })
		assertNothingLeft(t, s)
		t.Logf("try %d: killed when the daemon had %d of %d", try, had, tasks)
	}
}

// gidsOf returns the downloads of an aria2, at one moment, by their URL.
func gidsOf(t testing.TB, a *lab.Aria2) map[string][]string {
	t.Helper()
	var calls []map[string]any
	for method, window := range map[string][]any{"tellActive": nil, "tellWaiting": {0, 1000}, "tellStopped": {0, 1000}} {
		params := append(append([]any{"token:" + a.Secret}, window...), []string{"gid", "files"})
		calls = append(calls, map[string]any{"methodName": "aria2." + method, "params": params})
	}
	raw, err := rpc(a, "system.multicall", []any{calls})
	if err != nil {
		t.Fatal(err)
	}
	var answers [][1][]struct {
		GID   string
		Files []struct{ URIs []struct{ URI string } }
	}
	if err := json.Unmarshal(raw, &answers); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, answer := range answers {
		for _, d := range answer[0] {
			if len(d.Files) > 0 && len(d.Files[0].URIs) > 0 {
				out[d.Files[0].URIs[0].URI] = append(out[d.Files[0].URIs[0].URI], d.GID)
			}
		}
	}
	return out
}

// TestKill9WhileAFileIsCopied ends haul in the middle of a copy to another file
// system: it is delivered after the restart, and nothing is loaded again. With
// HAUL_BIG=1 the file has 4 GiB.
func TestKill9WhileAFileIsCopied(t *testing.T) {
	t.Parallel()
	size := int64(512 << 20)
	if os.Getenv("HAUL_BIG") != "" {
		size = 4 << 30
	}
	web := lab.StartWeb(t)
	downloads := otherFileSystem(t)
	s := Start(t, Options{Args: []string{"--downloads", downloads}})
	path := fmt.Sprintf("/bytes/%d/big.bin", size)
	task := s.Add(web.URL + path)[0]
	WaitFor(t, 5*time.Minute, "the download to be complete", func() bool { return web.Sent(path) >= size })
	var done int64
	for deadline := time.Now().Add(time.Minute); done <= size/10; done = bytesBelow(t, s.Home()) {
		if time.Now().After(deadline) {
			t.Fatal("nothing is copied")
		}
		time.Sleep(time.Millisecond)
	}
	// The copy takes less than a second, what is asked next may take longer.
	if err := syscall.Kill(s.PID(), syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	children, requests, sent := Children(t, s.PID()), web.Requests(path), web.Sent(path)
	s.Kill9()
	if _, err := os.Stat(filepath.Join(s.Home(), "big.bin")); err == nil {
		t.Error("the file shows before it is whole, or the copy was over")
	}
	waitGone(t, children)
	s.Restart()
	began := time.Now()
	s.WaitCompleted(5*time.Minute, task.ID)
	t.Logf("killed when %d of %d bytes were copied, delivered %s after the restart", done, size, time.Since(began).Round(time.Millisecond))
	if n, m := web.Requests(path)-requests, web.Sent(path)-sent; n != 0 || m != 0 {
		t.Errorf("after the restart there were %d requests, and %d bytes were sent", n, m)
	}
	if got := fileSHA256(t, filepath.Join(s.Home(), "big.bin")); got != web.SHA256(path) {
		t.Error("the file has wrong bytes")
	}
	assertOnlyWanted(t, s.Home())
	WaitFor(t, 10*time.Second, "the job's directory to be gone", func() bool {
		left, err := filepath.Glob(filepath.Join(downloads, "[^.]*"))
		return err == nil && len(left) == 0
	})
}

// otherFileSystem makes a folder on another file system than that of the
// test's own.
func otherFileSystem(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "haul-e2e-*")
	if err != nil {
		t.Skipf("there is no other file system: %v", err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if device(t, dir) == device(t, t.TempDir()) {
		t.Skip("/dev/shm is no other file system")
	}
	return dir
}

func device(t *testing.T, dir string) uint64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(dir, &st); err != nil {
		t.Fatal(err)
	}
	return uint64(st.Dev) //nolint:unconvert // it is signed on some systems
}

// bytesBelow adds up the sizes of the files below a folder, hidden ones included.
func bytesBelow(t *testing.T, dir string) int64 {
	t.Helper()
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return ignoreMissing(err)
		}
		info, err := e.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		sum += info.Size()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

func ignoreMissing(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}
