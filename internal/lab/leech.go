package lab

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	msgInterested = 2
	// blockSize is what all clients ask for, ahead how many blocks at once.
	blockSize = 16 << 10
	ahead     = 8
	// leechPatience is longer than clients take to look at who wants something.
	leechPatience = time.Minute
)

// Fill writes files of a torrent below dir, as a client that has loaded them
// leaves them; none given means all. It does not count as loading.
func (s *Swarm) Fill(name, dir string, files ...int) {
	s.t.Helper()
	t := s.torrent(name)
	if len(files) == 0 {
		for i := range t.Files {
			files = append(files, i)
		}
	}
	for _, i := range files {
		path := t.Path(dir, i)
		b, err := io.ReadAll(t.contents[i].reader())
		if err == nil {
			err = os.MkdirAll(filepath.Dir(path), 0o755)
		}
		if err == nil {
			err = os.WriteFile(path, b, 0o644)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// Leech loads the first n bytes of a torrent from the client that has announced
// it, in whole blocks, and checks them. It returns how many there were: less
// than n where the client has had enough.
func (s *Swarm) Leech(name string, n int64) int64 {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, leechPatience)
	defer cancel()
	t, err := s.torrent(name), errors.New("nobody has announced it")
	for ctx.Err() == nil {
		// A client may hang up on the first try, such as while it verifies.
		for _, port := range s.clients(t) {
			var got int64
			if got, err = s.leech(ctx, t, port, min(n, t.Total)); got > 0 && ctx.Err() == nil {
				return got
			}
		}
		_ = sleepUntil(ctx, time.Now().Add(100*time.Millisecond))
	}
	s.t.Fatalf("leech %s: %v", name, err)
	return 0
}

// clients lists the ports of those that have announced a torrent.
func (s *Swarm) clients(t *seeded) []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ports []int
	for who := range s.leechers {
		if who.hash == t.hash {
			ports = append(ports, who.port)
		}
	}
	return ports
}

func (s *Swarm) leech(ctx context.Context, t *seeded, port int, n int64) (int64, error) {
	c, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return 0, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	p := &peer{swarm: s, conn: c, in: bufio.NewReaderSize(c, 1<<16), torrent: t}
	// Without extensions, which nothing here needs; and under another id than
	// the seeder's, to which the client may be connected.
	if err := p.write([]byte(protocol + "\x00\x00\x00\x00\x00\x00\x00\x00" + t.hash + "-HL0002-" + s.id[8:])); err != nil {
		return 0, err
	}
	if _, err := io.CopyN(io.Discard, p.in, handshakeSize); err != nil {
		return 0, err
	}
	if err := p.send(msgInterested); err != nil {
		return 0, err
	}
	return p.load(n)
}

// load asks for blocks once it may.
func (p *peer) load(n int64) (got int64, err error) {
	var asked int64
	unchoked := false
	for got < n {
		for ; unchoked && asked < n && asked < got+ahead*blockSize; asked += p.block(asked) {
			if err := p.ask(asked); err != nil {
				return got, err
			}
		}
		m, err := p.receive()
		if err != nil {
			return got, err
		}
		switch m[0] {
		case msgUnchoke:
			unchoked, asked = true, got
		case msgChoke:
			unchoked = false
		case msgPiece:
			if err := p.verify(m[1:]); err != nil {
				return 0, err
			}
			got += int64(len(m) - 9)
		}
	}
	return got, nil
}

// block is the size of the block at an offset: none reaches into the next piece.
func (p *peer) block(at int64) int64 {
	end := min((at/p.torrent.pieceLen+1)*p.torrent.pieceLen, p.torrent.Total)
	return min(blockSize, end-at)
}

func (p *peer) ask(at int64) error {
	var b [12]byte
	binary.BigEndian.PutUint32(b[:], uint32(at/p.torrent.pieceLen))
	binary.BigEndian.PutUint32(b[4:], uint32(at%p.torrent.pieceLen))
	binary.BigEndian.PutUint32(b[8:], uint32(p.block(at)))
	return p.send(msgRequest, b[:])
}

func (p *peer) verify(piece []byte) error {
	if len(piece) < 8 {
		return errNotOurs
	}
	at := int64(binary.BigEndian.Uint32(piece))*p.torrent.pieceLen + int64(binary.BigEndian.Uint32(piece[4:]))
	want := make([]byte, len(piece)-8)
	if err := p.torrent.readAt(want, at); err != nil {
		return err
	}
	if !bytes.Equal(want, piece[8:]) {
		return errors.New("it sends other bytes")
	}
	return nil
}
