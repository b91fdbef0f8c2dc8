package pluginhost

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ownGroup puts cmd into a process group of its own, so that its children can
// be killed with it and ^C does not reach it, and lets it die with the thread
// that starts it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// killGroup kills the process and its children. The process must not have
// been waited for, or its number may be another's.
func killGroup(p *os.Process) error {
	if err := unix.Kill(-p.Pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process group: %w", err)
	}
	return nil
}

// waitAndSweep waits for the process and kills what it leaves in its group.
// mu is held from before the process's number may be used again until after:
// killGroup under mu never hits another's group.
func waitAndSweep(cmd *exec.Cmd, mu *sync.Mutex, reaped *bool) error {
	for {
		// WNOWAIT leaves a zombie, which keeps the number.
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	killErr := killGroup(cmd.Process)
	*reaped = true
	return errors.Join(cmd.Wait(), killErr)
}

// killedFromOutside reports whether a SIGKILL ended the process.
func killedFromOutside(s *os.ProcessState) bool {
	ws, ok := s.Sys().(syscall.WaitStatus)
	return ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// startTime returns when the process began, in clock ticks since the machine
// did: together with the number it names a process for good.
func startTime(pid int) (uint64, error) {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, fmt.Errorf("read start time: %w", err)
	}
	// Field 2 is the name in brackets, and may hold spaces and brackets itself.
	_, rest, _ := bytes.Cut(stat[bytes.LastIndexByte(stat, ')')+1:], []byte{' '})
	fields := strings.Fields(string(rest))
	const field = 22 - 3 // rest begins with field 3
	if len(fields) <= field {
		return 0, fmt.Errorf("read start time: %d fields", len(fields))
	}
	return strconv.ParseUint(fields[field], 10, 64)
}

// exeOf returns the path of the binary that the process runs.
func exeOf(pid int) (string, error) {
	exe, err := os.Readlink("/proc/" + strconv.Itoa(pid) + "/exe")
	return strings.TrimSuffix(exe, " (deleted)"), err
}

// killStale kills the group of a process that an earlier host left, if it is
// still the same process, and waits up to limit until it is gone.
func killStale(id processID, limit time.Duration) (bool, error) {
	if !id.alive() {
		return false, nil
	}
	if pgid, err := unix.Getpgid(id.PID); err != nil || pgid != id.PID {
		return false, nil //nolint:nilerr // it has ended
	}
	if err := unix.Kill(-id.PID, unix.SIGKILL); err != nil {
		return false, fmt.Errorf("kill leftover process group: %w", err)
	}
	for deadline := time.Now().Add(limit); id.alive() && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	return true, nil
}

// ownerOf returns the user who owns a file.
func ownerOf(fi fs.FileInfo) (uid int, ok bool) {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}

// changedAt returns when the file's content, mode or links last changed;
// unlike the time of its content nobody can set it.
func changedAt(fi fs.FileInfo) time.Time {
	st, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fi.ModTime()
	}
	return time.Unix(st.Ctim.Unix())
}

// firstPinnedFD is above every descriptor that a child is given.
const firstPinnedFD = 16

// pin returns a path that runs the open file, whatever has taken its place by
// then. It goes through a link in dir, since the kernel names processes by the
// last part of the path. unpin is called after the start.
func pin(f *os.File, dir, name string) (path string, unpin func(), err error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, firstPinnedFD)
	if err != nil {
		return "", nil, fmt.Errorf("keep the plugin's file open: %w", err)
	}
	held := os.NewFile(uintptr(fd), f.Name())
	path = filepath.Join(dir, name)
	if err := os.Symlink("/proc/self/fd/"+strconv.Itoa(fd), path); err != nil {
		closeAll(held)
		return "", nil, err
	}
	return path, func() { _ = os.Remove(path); closeAll(held) }, nil
}

// residentMemory returns how much memory of the machine a process has, in bytes.
func residentMemory(pid int) (int64, error) {
	statm, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0, fmt.Errorf("read memory of process: %w", err)
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0, fmt.Errorf("read memory of process: %d fields", len(fields))
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// lockFile takes an exclusive lock that ends with the process.
func lockFile(f *os.File) error {
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
}
