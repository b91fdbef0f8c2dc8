package managed

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

// lockState waits until no other plugin process uses the state directory: two
// daemons on one session would load everything twice. The lock is the
// process's own and ends with it, however that ends.
func lockState(ctx context.Context, dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("lock state directory: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// endLeftovers ends every aria2c that runs on our configuration file. There is
// none unless an earlier plugin was killed just so that the kernel could not
// end its child; looking at what runs finds it without a record that might lie.
func endLeftovers(ctx context.Context, dir string, logger hclog.Logger) {
	for _, pid := range leftovers(dir) {
		logger.Warn("an aria2 of an earlier life still runs, it is ended", "pid", pid)
		if err := end(ctx, pid, dir); err != nil {
			logger.Error("cannot end an aria2 of an earlier life", "pid", pid, "err", err)
		}
	}
}

func leftovers(dir string) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil // no Linux: nothing to be found
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && isOurs(pid, dir) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func isOurs(pid int, dir string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil {
		return false
	}
	args := bytes.Split(line, []byte{0})
	program := func(a []byte) bool { return bytes.HasSuffix(a, []byte("aria2c")) } // not always the first
	configured := func(a []byte) bool { return string(a) == configArgument(dir) }
	return slices.ContainsFunc(args, program) && slices.ContainsFunc(args, configured)
}

// end asks the process to end, insists after a while, and waits until it is gone.
func end(ctx context.Context, pid int, dir string) error {
	proc, err := os.FindProcess(pid) // holds this process, not whoever gets the id next
	if err != nil {
		return fmt.Errorf("find process: %w", err)
	}
	defer func() { _ = proc.Release() }()
	insist := time.Now().Add(stopGrace)
	signal := syscall.SIGTERM
	for isOurs(pid, dir) {
		if time.Now().After(insist) {
			signal = syscall.SIGKILL
		}
		if err := proc.Signal(signal); err != nil {
			break // it is gone
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}
