package lab

import (
	"crypto/rand"
	"fmt"
	"math/big"
	"net"
	"testing"
)

// Ports for daemons that cannot choose one themselves lie below the range from
// which the kernel takes those of outgoing connections, so that none of these
// takes one between our look and the daemon's start.
const (
	lowestPort  = 10000
	highestPort = 32000
)

// freePort returns a port on which nobody listens now.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		n, err := rand.Int(rand.Reader, big.NewInt(highestPort-lowestPort))
		if err != nil {
			t.Fatal(err)
		}
		port := lowestPort + int(n.Int64())
		l, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		_ = l.Close()
		return port
	}
	t.Fatal("no free port on 127.0.0.1")
	return 0
}
