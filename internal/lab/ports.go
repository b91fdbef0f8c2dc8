package lab

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net"
	"syscall"
	"testing"
)

// Ports for daemons that cannot choose one themselves lie below the range from
// which the kernel takes those of outgoing connections, so that none of these
// takes one between our look and the daemon's start.
const (
	lowestPort  = 10000
	highestPort = 32000
)

// FreePort returns a port of 127.0.0.1 for a daemon that cannot choose one
// itself, or has to come back at the same. Nobody listens there now, and until
// the test ends no other test gets the port, in no process: an abstract socket
// stands for it.
func FreePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(highestPort-lowestPort))
		if err != nil {
			t.Fatal(err)
		}
		port := lowestPort + int(n.Int64())
		claim, err := net.Listen("unix", fmt.Sprintf("@haul-lab-port-%d", port))
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			_ = claim.Close()
			continue
		}
		_ = l.Close()
		t.Cleanup(func() { _ = claim.Close() })
		return port
	}
	t.Fatal("no free port on 127.0.0.1")
	return 0
}

// ClosedPort returns a port of 127.0.0.1 that refuses connections until the
// test ends. It stays bound, as somebody else may listen soon on one that is
// only free.
func ClosedPort(t testing.TB) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	at, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		t.Fatalf("bound to %T", bound)
	}
	return at.Port
}
