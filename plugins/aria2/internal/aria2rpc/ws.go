package aria2rpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// readLimit bounds one message: a status of 1,000 downloads with all keys has
// 600 kB, so this is far beyond what aria2 sends and still bounded.
const readLimit = 64 << 20

// deadAfter is how long an answer takes at most where the connection lives.
const deadAfter = 10 * time.Second

// socket is one WebSocket to a daemon, with calls and notifications on it.
type socket struct {
	endpoint Endpoint
	conn     *websocket.Conn
	onEvent  func(Event)
	done     chan struct{} // closed when the reader has ended
	writers  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	nextID  uint64
	waiting map[string]chan message
	err     error // why it ended
}

// errNoUpgrade is a server that answers, but not with the upgrade.
var errNoUpgrade = errors.New("the server does not upgrade to WebSocket")

// dialSocket opens a WebSocket. It fails with errNoUpgrade where the server
// answers with something else.
func dialSocket(ctx context.Context, ep Endpoint, onEvent func(Event)) (*socket, error) {
	conn, resp, err := websocket.Dial(ctx, ep.HTTP.URL("").String(), &websocket.DialOptions{HTTPClient: ep.HTTP.HTTP()})
	if err != nil && resp != nil {
		_ = resp.Body.Close()
		return nil, errNoUpgrade
	}
	if err != nil {
		return nil, fmt.Errorf("open WebSocket: %w", err)
	}
	conn.SetReadLimit(readLimit)
	return &socket{
		endpoint: ep, conn: conn, onEvent: onEvent,
		done: make(chan struct{}), waiting: map[string]chan message{},
	}, nil
}

// read hands out what arrives until the connection ends.
func (s *socket) read() {
	defer close(s.done)
	for {
		_, data, err := s.conn.Read(context.Background())
		if err != nil {
			s.fail(fmt.Errorf("%w: %w", errLost, err))
			return
		}
		var m message
		if err := json.Unmarshal(data, &m); err != nil {
			s.fail(fmt.Errorf("%w: not JSON-RPC: %w", errLost, err))
			return
		}
		s.dispatch(m)
	}
}

func (s *socket) dispatch(m message) {
	if m.Method != "" {
		for _, e := range m.Params {
			e.Kind = m.Method
			s.onEvent(e)
		}
		return
	}
	s.mu.Lock()
	answer := s.waiting[m.ID]
	delete(s.waiting, m.ID)
	s.mu.Unlock()
	if answer != nil {
		answer <- m // has room for one, and gets one
	}
}

// fail ends the connection and every call that waits on it.
func (s *socket) fail(err error) {
	s.mu.Lock()
	if s.err == nil {
		s.err = err
	}
	waiting := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	for _, answer := range waiting {
		close(answer)
	}
	// The close handshake would wait for a daemon that may be gone.
	_ = s.conn.CloseNow()
}

func (s *socket) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *socket) alive() bool { return s.failure() == nil }

func (s *socket) close() {
	s.fail(errClosed)
	<-s.done
	s.writers.Wait()
}

func (s *socket) roundTrip(ctx context.Context, req request) (json.RawMessage, error) {
	began := time.Now()
	answer, err := s.send(ctx, req)
	if err != nil {
		return nil, err
	}
	select {
	case m, ok := <-answer:
		if !ok {
			return nil, s.failure()
		}
		if m.Error != nil {
			return nil, m.Error
		}
		return m.Result, nil
	case <-ctx.Done():
		// A daemon that leaves a call unanswered may be behind a dead connection;
		// the next call shall not wait on the same one. A caller in a hurry says
		// nothing about it.
		if time.Since(began) >= deadAfter {
			s.fail(fmt.Errorf("%w: no answer in time", errLost))
		}
		return nil, ctx.Err()
	}
}

// send writes a request. The caller may leave meanwhile, but the write goes on:
// one that is cut short would break the connection for all.
func (s *socket) send(ctx context.Context, req request) (<-chan message, error) {
	answer := make(chan message, 1)
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return nil, s.err
	}
	s.nextID++
	req.ID = strconv.FormatUint(s.nextID, 10)
	s.waiting[req.ID] = answer
	written := make(chan error, 1)
	s.writers.Go(func() { written <- s.write(req) })
	s.mu.Unlock()
	select {
	case err := <-written:
		return answer, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *socket) write(req request) error {
	data, err := json.Marshal(req)
	if err != nil {
		return fmt.Errorf("encode %s: %w", req.Method, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadAfter)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, data); err != nil {
		s.fail(fmt.Errorf("%w: %w", errLost, err))
		return s.failure()
	}
	return nil
}
