package pluginhost

import (
	"os/exec"
	"runtime"

	"github.com/haul-dl/haul/sdk/errs"
)

// spawner starts all processes of a host from one OS thread. The kernel ties
// a child's parent-death signal to the thread that made it: started from a
// thread that the Go runtime ends, a plugin dies under a live host.
type spawner struct {
	jobs chan spawnJob
	quit chan struct{}
	done chan struct{}
}

type spawnJob struct {
	cmd    *exec.Cmd
	answer chan error
}

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan spawnJob), quit: make(chan struct{}), done: make(chan struct{})}
	go s.run()
	return s
}

func (s *spawner) run() {
	defer close(s.done)
	// Never unlocked: the thread ends with this goroutine, after the last plugin.
	runtime.LockOSThread()
	for {
		select {
		case j := <-s.jobs:
			j.answer <- j.cmd.Start()
		case <-s.quit:
			return
		}
	}
}

// start starts cmd in a process group of its own.
func (s *spawner) start(cmd *exec.Cmd) error {
	ownGroup(cmd)
	j := spawnJob{cmd: cmd, answer: make(chan error, 1)}
	select {
	case s.jobs <- j:
		return <-j.answer
	case <-s.done:
		return errs.New(errs.Unavailable, "the plugin host is closed")
	}
}

// close ends the thread; no process may run any more.
func (s *spawner) close() {
	close(s.quit)
	<-s.done
}
