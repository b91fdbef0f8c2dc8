//go:build !linux

package pluginhost

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Elsewhere than on Linux a plugin ends with its host by the pipe of
// HAUL_HOST_FD alone, and its children are its own affair.

func ownGroup(*exec.Cmd) {}

func killGroup(p *os.Process) error {
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

func waitAndSweep(cmd *exec.Cmd, mu *sync.Mutex, reaped *bool) error {
	err := cmd.Wait()
	mu.Lock()
	defer mu.Unlock()
	*reaped = true
	return err
}

func killedFromOutside(*os.ProcessState) bool { return false }

func startTime(int) (uint64, error) { return 0, errors.ErrUnsupported }

func exeOf(int) (string, error) { return "", errors.ErrUnsupported }

func killStale(processID, time.Duration) (bool, error) { return false, nil }

func ownerOf(fs.FileInfo) (int, bool) { return 0, false }

func changedAt(fi fs.FileInfo) time.Time { return fi.ModTime() }

func pin(f *os.File, _, _ string) (path string, unpin func(), err error) {
	return f.Name(), func() {}, nil
}

func residentMemory(int) (int64, error) { return 0, errors.ErrUnsupported }

func lockFile(*os.File) error { return nil }
