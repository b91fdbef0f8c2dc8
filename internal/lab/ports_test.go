package lab

import (
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"
)

func TestAClosedPortRefusesAndNobodyElseGetsIt(t *testing.T) {
	address := fmt.Sprintf("127.0.0.1:%d", ClosedPort(t))
	if _, err := net.Dial("tcp4", address); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("a connection gets %v", err)
	}
	_, port, _ := net.SplitHostPort(address)
	for _, at := range []string{address, ":" + port} {
		if l, err := net.Listen("tcp4", at); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a listener at %s gets %v, %v", at, l, err)
		}
	}
}

func TestAFreePortIsGivenOnce(t *testing.T) {
	port := FreePort(t)
	l, err := net.Listen("unix", fmt.Sprintf("@haul-lab-port-%d", port))
	if err == nil {
		_ = l.Close()
		t.Error("another test may get the same port")
	}
}
