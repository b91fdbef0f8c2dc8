package pluginmain

import (
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
)

// hostFDVariable names the file descriptor of a pipe whose other end haul holds
// open: it reads as ended when haul is gone, however it went.
const hostFDVariable = "HAUL_HOST_FD"

// watchHost calls end once, when haul is gone or asks the process to end. Its
// goroutines live as long as the process.
func watchHost(logger hclog.Logger, end func(reason string)) {
	// A log line to a host that is gone would otherwise kill the process before
	// the driver is closed. Ignoring the signal would be inherited by children.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)

	terminate := make(chan os.Signal, 1)
	signal.Notify(terminate, syscall.SIGTERM)
	gone := make(chan struct{})
	if pipe := hostPipe(logger); pipe != nil {
		go waitForEOF(pipe, gone)
	}
	parent := os.Getppid()
	go func() {
		end(waitForEnd(terminate, gone, parent))
	}()
}

func waitForEnd(terminate <-chan os.Signal, gone <-chan struct{}, parent int) string {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-terminate:
			return "terminated"
		case <-gone:
			return "host is gone"
		case <-tick.C:
			if os.Getppid() != parent {
				return "host is gone"
			}
		}
	}
}

// hostPipe returns the pipe from haul, nil without one.
func hostPipe(logger hclog.Logger) *os.File {
	value := os.Getenv(hostFDVariable)
	if value == "" {
		return nil
	}
	_ = os.Unsetenv(hostFDVariable) // fails for malformed names only
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		logger.Warn("environment variable is not a file descriptor", "name", hostFDVariable)
		return nil
	}
	keepFromChildren(fd)
	return os.NewFile(uintptr(fd), "host")
}

// waitForEOF closes gone when the pipe ends. A pipe that cannot be read tells
// nothing; the parent's id is then what counts.
func waitForEOF(pipe *os.File, gone chan<- struct{}) {
	defer func() { _ = pipe.Close() }()
	if _, err := io.Copy(io.Discard, pipe); err == nil {
		close(gone)
	}
}
