package lab

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// valveTimeout is how long WaitShut waits for bytes.
const valveTimeout = 60 * time.Second

var errValve = errors.New("lab: the connection has ended")

// Valve is a way to a server that can be shut in the middle of an upload, so
// that a test can do something then, however fast the machine is. What the
// server answers always gets through.
type Valve struct {
	// Address is where it listens, "127.0.0.1:PORT".
	Address string

	t        testing.TB
	target   string
	listener net.Listener
	serving  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	conns   map[net.Conn]bool
	closed  bool
	passed  int64
	left    int64         // how much still passes; negative is without end
	changed chan struct{} // closed when left has changed
}

// StartValve starts an open valve before the server at an address. It ends with
// the test.
func StartValve(t testing.TB, target string) *Valve {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	v := &Valve{
		Address: l.Addr().String(), t: t, target: target, listener: l,
		conns: map[net.Conn]bool{}, left: -1, changed: make(chan struct{}),
	}
	v.serving.Go(v.accept)
	t.Cleanup(v.close)
	return v
}

func (v *Valve) close() {
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.HangUp()
	_ = v.listener.Close()
	v.serving.Wait()
}

// ShutAfter lets n more bytes through to the server, and nothing after them.
func (v *Valve) ShutAfter(n int64) { v.set(n) }

// Open lets everything through.
func (v *Valve) Open() { v.set(-1) }

// HangUp ends all connections. What a client that has died had sent to a shut
// valve is in the system's buffers still, and would pass once it opens.
func (v *Valve) HangUp() {
	v.mu.Lock()
	defer v.mu.Unlock()
	for c := range v.conns {
		_ = c.Close()
	}
}

// Passed returns how many bytes have gone to the server so far.
func (v *Valve) Passed() int64 {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.passed
}

// WaitShut waits until the valve is shut, because ShutAfter's bytes have passed.
func (v *Valve) WaitShut() {
	v.t.Helper()
	late := time.After(valveTimeout)
	for {
		v.mu.Lock()
		shut, changed := v.left == 0, v.changed
		v.mu.Unlock()
		if shut {
			return
		}
		select {
		case <-changed:
		case <-late:
			v.t.Fatalf("too few bytes went to the server within %s", valveTimeout)
		}
	}
}

func (v *Valve) set(left int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.change(left)
}

// change is called with mu held.
func (v *Valve) change(left int64) {
	v.left = left
	close(v.changed)
	v.changed = make(chan struct{})
}

func (v *Valve) accept() {
	for {
		c, err := v.listener.Accept()
		if err != nil {
			return
		}
		v.serving.Go(func() { v.serve(c) })
	}
}

// serve connects a client with the server until either hangs up.
func (v *Valve) serve(client net.Conn) {
	defer v.forget(client)
	if !v.keep(client) {
		return
	}
	server, err := (&net.Dialer{Timeout: dialTimeout}).Dial("tcp4", v.target)
	if err != nil {
		return
	}
	defer v.forget(server)
	if !v.keep(server) {
		return
	}
	ended := make(chan struct{})
	var back sync.WaitGroup
	back.Go(func() {
		defer close(ended)
		_, _ = io.Copy(client, server) // either may hang up at any time
		_, _ = client.Close(), server.Close()
	})
	_ = v.forward(server, client, ended) // as above
	_, _ = client.Close(), server.Close()
	back.Wait()
}

func (v *Valve) keep(c net.Conn) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.conns[c] = true
	return !v.closed
}

func (v *Valve) forget(c net.Conn) {
	_ = c.Close()
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.conns, c)
}

func (v *Valve) forward(server io.Writer, client io.Reader, ended <-chan struct{}) error {
	buf := make([]byte, 32<<10)
	for {
		n, err := client.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			m, err := v.take(int64(len(rest)), ended)
			if err != nil {
				return err
			}
			if _, err := server.Write(rest[:m]); err != nil {
				return err
			}
			rest = rest[m:]
		}
		if err != nil {
			return err
		}
	}
}

// take waits until bytes may pass, and returns how many of n.
func (v *Valve) take(n int64, ended <-chan struct{}) (int64, error) {
	for {
		v.mu.Lock()
		if v.left < 0 {
			v.passed += n
			v.mu.Unlock()
			return n, nil
		}
		if v.left > 0 {
			n = min(n, v.left)
			v.passed += n
			v.change(v.left - n)
			v.mu.Unlock()
			return n, nil
		}
		changed := v.changed
		v.mu.Unlock()
		select {
		case <-changed:
		case <-ended:
			return 0, errValve
		}
	}
}
