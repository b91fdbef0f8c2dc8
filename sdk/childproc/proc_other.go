//go:build !linux

package childproc

import (
	"os"
	"os/exec"
	"runtime"
	"syscall"
)

// confine does nothing here: only Linux ties a child to its parent.
func confine(*exec.Cmd) {}

// await waits for the child. Package os knows by itself not to signal it later.
func (p *Process) await() error { return p.cmd.Wait() }

func terminate(cmd *exec.Cmd) error {
	if runtime.GOOS == "windows" {
		return cmd.Process.Kill()
	}
	return cmd.Process.Signal(syscall.SIGTERM)
}

func kill(cmd *exec.Cmd) error { return cmd.Process.Signal(os.Kill) }
