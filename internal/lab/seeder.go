package lab

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"time"
)

const (
	dialTimeout   = 2 * time.Second
	dialTries     = 20
	firstDialWait = 125 * time.Millisecond
	lastDialWait  = time.Second
)

// accept takes the connections of clients that dial us.
func (s *Swarm) accept() {
	for {
		c, err := s.seeder.Accept()
		if err != nil {
			return // closed
		}
		s.start(func() { s.serve(c, nil) })
	}
}

// dial connects to a leecher, in plain text, and again while it is in the
// swarm: it may not be ready for us yet, or hang up between metadata and data.
func (s *Swarm) dial(t *seeded, who leecher) {
	if !s.link(who) {
		return
	}
	defer s.unlink(who)
	wait := firstDialWait
	for range dialTries {
		c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(s.ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", who.port))
		if err != nil {
			return
		}
		s.count(t.hash, func(c *Counts) { c.Dials++ })
		s.serve(c, t)
		if err := sleepUntil(s.ctx, time.Now().Add(wait)); err != nil || !s.present(who) {
			return
		}
		wait = min(wait+firstDialWait, lastDialWait)
	}
}

func (s *Swarm) link(who leecher) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.linked[who] {
		return false
	}
	s.linked[who] = true
	return true
}

func (s *Swarm) unlink(who leecher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.linked, who)
}

// serve speaks the peer protocol until either side ends it. t is nil where the
// other side has dialled and says what it wants.
func (s *Swarm) serve(c net.Conn, t *seeded) {
	defer c.Close()
	defer context.AfterFunc(s.ctx, func() { _ = c.Close() })()
	p := &peer{swarm: s, conn: c, in: bufio.NewReaderSize(c, 1<<16), torrent: t}
	if p.greet() != nil {
		return
	}
	for {
		m, err := p.receive()
		if err != nil || p.answer(m) != nil {
			return
		}
	}
}

// slot waits until a block of n bytes of a slow torrent may be sent; all peers
// share the rate.
func (s *Swarm) slot(t *seeded, n int64) error {
	if t.rate == 0 {
		return nil
	}
	s.mu.Lock()
	at := s.pace[t.hash]
	if now := time.Now(); at.Before(now) {
		at = now
	}
	s.pace[t.hash] = at.Add(time.Duration(n * int64(time.Second) / t.rate))
	s.mu.Unlock()
	return sleepUntil(s.ctx, at)
}
