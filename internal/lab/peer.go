package lab

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"
)

// The message ids of BEP 3, 6 and 10.
const (
	msgChoke    = 0
	msgUnchoke  = 1
	msgBitfield = 5
	msgRequest  = 6
	msgPiece    = 7
	msgHaveAll  = 14
	msgExtended = 20
)

const (
	protocol        = "\x13BitTorrent protocol"
	reserved        = "\x00\x00\x00\x00\x00\x10\x00\x04" // extension protocol, fast extension
	handshakeSize   = 68
	maxMessage      = 1 << 20
	maxBlock        = 128 << 10
	metadataPart    = 16 << 10
	greetTimeout    = 10 * time.Second
	silenceTimeout  = 5 * time.Minute
	writeTimeout    = time.Minute
	ourMetadataID   = 1 // how others name ut_metadata in messages to us
	metadataRequest = 0
	metadataData    = 1
)

var errNotOurs = errors.New("lab: not a peer that we serve")

// peer is one connection of the seeder. It has a goroutine of its own.
type peer struct {
	swarm   *Swarm
	conn    net.Conn
	in      *bufio.Reader
	torrent *seeded
	meta    byte // how the other side names ut_metadata; 0 while unknown
}

// greet exchanges handshakes and says that we have everything.
func (p *peer) greet() error {
	dialled := p.torrent != nil
	if dialled {
		if err := p.write(p.handshake()); err != nil {
			return err
		}
	}
	if err := p.conn.SetReadDeadline(time.Now().Add(greetTimeout)); err != nil {
		return err
	}
	hs := make([]byte, handshakeSize)
	if _, err := io.ReadFull(p.in, hs); err != nil {
		return err
	}
	if string(hs[:len(protocol)]) != protocol {
		return errNotOurs // encrypted: the other side falls back to plain text
	}
	if !p.wants(string(hs[28:48])) {
		return errNotOurs
	}
	if !dialled {
		p.swarm.count(p.torrent.hash, func(c *Counts) { c.Accepts++ })
		if err := p.write(p.handshake()); err != nil {
			return err
		}
	}
	return p.introduce(hs[25]&0x10 != 0, hs[27]&4 != 0)
}

// wants checks, or takes, the torrent that the other side names.
func (p *peer) wants(hash string) bool {
	if p.torrent == nil {
		p.swarm.mu.Lock()
		p.torrent = p.swarm.byHash[hash]
		p.swarm.mu.Unlock()
	}
	return p.torrent != nil && p.torrent.hash == hash && p.torrent.behaviour != seedsNothing
}

func (p *peer) handshake() []byte {
	return []byte(protocol + reserved + p.torrent.hash + p.swarm.id)
}

func (p *peer) introduce(extended, fast bool) error {
	if extended {
		hello := dict{"m": dict{"ut_metadata": ourMetadataID}, "metadata_size": len(p.torrent.info), "reqq": 500, "v": "haul lab"}
		if err := p.send(msgExtended, []byte{0}, bencode(hello)); err != nil {
			return err
		}
	}
	if err := p.haveAll(fast); err != nil {
		return err
	}
	return p.send(msgUnchoke)
}

// haveAll needs no piece count in its fast form, so it also serves who has no
// metadata yet.
func (p *peer) haveAll(fast bool) error {
	if fast {
		return p.send(msgHaveAll)
	}
	n := (p.torrent.Total + p.torrent.pieceLen - 1) / p.torrent.pieceLen
	bits := make([]byte, (n+7)/8)
	for i := range n {
		bits[i/8] |= 0x80 >> (i % 8)
	}
	return p.send(msgBitfield, bits)
}

// receive returns the next message that is not a keep-alive.
func (p *peer) receive() ([]byte, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(silenceTimeout)); err != nil {
		return nil, err
	}
	for {
		var size [4]byte
		if _, err := io.ReadFull(p.in, size[:]); err != nil {
			return nil, err
		}
		n := binary.BigEndian.Uint32(size[:])
		if n == 0 {
			continue
		}
		if n > maxMessage {
			return nil, errNotOurs
		}
		m := make([]byte, n)
		_, err := io.ReadFull(p.in, m)
		return m, err
	}
}

func (p *peer) answer(m []byte) error {
	switch m[0] {
	case msgRequest:
		return p.sendBlock(m[1:])
	case msgExtended:
		return p.answerExtended(m[1:])
	}
	return nil
}

func (p *peer) sendBlock(request []byte) error {
	if len(request) < 12 {
		return errNotOurs
	}
	p.swarm.count(p.torrent.hash, func(c *Counts) { c.Blocks++ })
	if p.torrent.behaviour == stalls {
		return nil
	}
	index, begin := binary.BigEndian.Uint32(request), binary.BigEndian.Uint32(request[4:])
	size := binary.BigEndian.Uint32(request[8:])
	if size == 0 || size > maxBlock {
		return errNotOurs
	}
	block := make([]byte, size)
	if err := p.torrent.readAt(block, int64(index)*p.torrent.pieceLen+int64(begin)); err != nil {
		return err
	}
	if p.torrent.behaviour == corrupts {
		block[0] ^= 0xff
	}
	if err := p.swarm.slot(p.torrent, int64(size)); err != nil {
		return err
	}
	return p.send(msgPiece, request[:8], block)
}

func (p *peer) answerExtended(m []byte) error {
	if len(m) == 0 {
		return errNotOurs
	}
	v, _, err := bdecode(m[1:])
	if err != nil {
		return err
	}
	d, _ := v.(dict)
	switch m[0] {
	case 0:
		ids, _ := d["m"].(dict)
		id, _ := ids["ut_metadata"].(int64)
		p.meta = byte(id) // one that does not fit is nobody's
	case ourMetadataID:
		return p.sendMetadata(d)
	}
	return nil
}

// sendMetadata answers a request of BEP 9.
func (p *peer) sendMetadata(d dict) error {
	kind, _ := d["msg_type"].(int64)
	part, _ := d["piece"].(int64)
	info := p.torrent.info
	if kind != metadataRequest || p.meta == 0 || part < 0 || part > int64(len(info)-1)/metadataPart {
		return nil
	}
	p.swarm.count(p.torrent.hash, func(c *Counts) { c.Metadata++ })
	if p.torrent.behaviour == hidesInfo {
		return nil
	}
	from := part * metadataPart
	to := min(from+metadataPart, int64(len(info)))
	head := bencode(dict{"msg_type": metadataData, "piece": part, "total_size": len(info)})
	return p.send(msgExtended, []byte{p.meta}, head, info[from:to])
}

func (p *peer) send(id byte, body ...[]byte) error {
	n := 1
	for _, b := range body {
		n += len(b)
	}
	m := binary.BigEndian.AppendUint32(make([]byte, 0, n+4), uint32(n))
	m = append(m, id)
	for _, b := range body {
		m = append(m, b...)
	}
	return p.write(m)
}

func (p *peer) write(m []byte) error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return err
	}
	_, err := p.conn.Write(m)
	return err
}
