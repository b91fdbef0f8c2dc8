package lab

import (
	"encoding/binary"
	"net"
	"net/http"
	"strconv"
	"time"
)

// announce is the tracker of BEP 3, with the compact peers of BEP 23.
func (s *Swarm) announce(rw http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	port, err := strconv.Atoi(q.Get("port"))
	who := leecher{hash: q.Get("info_hash"), port: port}
	if err != nil || len(who.hash) != 20 {
		_, _ = rw.Write(bencode(dict{"failure reason": "info_hash and port are needed"}))
		return
	}
	s.count(who.hash, func(c *Counts) { c.Announces++ })
	left := q.Get("left") != "0" && q.Get("event") != "stopped"
	peers, t := s.enter(who, q.Get("event") == "stopped")
	rw.Header().Set("Content-Type", "text/plain")
	interval := max(1, int(s.opts.interval/time.Second))
	_, _ = rw.Write(bencode(dict{"interval": interval, "min interval": min(interval, 2), "complete": 1, "incomplete": 1, "peers": peers}))
	if left && !s.opts.passive && t != nil && t.behaviour != seedsNothing {
		s.start(func() { s.dial(t, who) })
	}
}

// enter notes an announce and returns the other peers, and the torrent if it
// is one of ours.
func (s *Swarm) enter(who leecher, leaves bool) (peers string, t *seeded) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if leaves {
		delete(s.leechers, who)
	} else {
		s.leechers[who] = time.Now()
	}
	t = s.byHash[who.hash]
	var b []byte
	if t != nil && t.behaviour != seedsNothing {
		addr, _ := s.seeder.Addr().(*net.TCPAddr)
		b = compactPeer(b, addr.Port)
	}
	for other, at := range s.leechers {
		if other.hash == who.hash && other.port != who.port && time.Since(at) < 3*s.opts.interval {
			b = compactPeer(b, other.port)
		}
	}
	return string(b), t
}

func compactPeer(b []byte, port int) []byte {
	return binary.BigEndian.AppendUint16(append(b, 127, 0, 0, 1), uint16(port))
}

// present reports whether a leecher is still in the swarm.
func (s *Swarm) present(who leecher) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.leechers[who]
	return ok
}
