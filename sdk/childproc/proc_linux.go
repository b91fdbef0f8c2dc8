package childproc

import (
	"errors"
	"os"
	"os/exec"

	"golang.org/x/sys/unix"
)

// confine gives the child a group of its own and ties its life to the thread
// that starts it.
func confine(cmd *exec.Cmd) {
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGKILL}
}

// await waits for the child, then kills what is left of its group and reaps it:
// until it is reaped nobody else can have its id.
func (p *Process) await() error {
	for {
		err := unix.Waitid(unix.P_PID, p.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	killErr := kill(p.cmd)
	if errors.Is(killErr, os.ErrProcessDone) {
		killErr = nil
	}
	return errors.Join(p.cmd.Wait(), killErr)
}

func terminate(cmd *exec.Cmd) error { return signalGroup(cmd, unix.SIGTERM) }

func kill(cmd *exec.Cmd) error { return signalGroup(cmd, unix.SIGKILL) }

func signalGroup(cmd *exec.Cmd, sig unix.Signal) error {
	err := unix.Kill(-cmd.Process.Pid, sig)
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}
