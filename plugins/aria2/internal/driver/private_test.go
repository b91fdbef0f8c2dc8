package driver

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
)

// dhtNode is a node of the DHT that knows nothing, and notes whose peers it was
// asked for.
type dhtNode struct {
	conn  net.PacketConn
	mu    sync.Mutex // guards asked
	asked map[string]bool
}

func startDHTNode(t *testing.T) *dhtNode {
	t.Helper()
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &dhtNode{conn: conn, asked: map[string]bool{}}
	var served sync.WaitGroup
	served.Go(n.serve)
	t.Cleanup(func() {
		_ = conn.Close()
		served.Wait()
	})
	return n
}

func (n *dhtNode) serve() {
	const id = "haul-lab-dht-node-01"
	buf := make([]byte, 64<<10)
	for {
		size, from, err := n.conn.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		query := buf[:size]
		if hash, ok := valueOf(query, "9:info_hash"); ok {
			n.mu.Lock()
			n.asked[fmt.Sprintf("%x", hash)] = true
			n.mu.Unlock()
		}
		if transaction, ok := valueOf(query, "1:t"); ok {
			answer := fmt.Sprintf("d1:rd2:id20:%s5:nodes0:5:token4:xxxxe1:t%d:%s1:y1:re", id, len(transaction), transaction)
			_, _ = n.conn.WriteTo([]byte(answer), from)
		}
	}
}

// valueOf returns the string behind a key of a bencoded message.
func valueOf(message []byte, key string) ([]byte, bool) {
	_, rest, ok := bytes.Cut(message, []byte(key))
	if !ok {
		return nil, false
	}
	var size int
	if _, err := fmt.Sscanf(string(rest), "%d:", &size); err != nil {
		return nil, false
	}
	_, rest, _ = bytes.Cut(rest, []byte(":"))
	return rest[:min(size, len(rest))], len(rest) >= size
}

func (n *dhtNode) wasAskedFor(hash string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.asked[hash]
}

func TestAPrivateTorrentStaysOutOfTheDHT(t *testing.T) {
	t.Parallel()
	node, swarm := startDHTNode(t), lab.StartSwarm(t)
	a := startAria2(t, "enable-dht=true", "dht-entry-point="+node.conn.LocalAddr().String(),
		"dht-listen-port=10000-32000", "dht-file-path="+t.TempDir()+"/dht.dat")
	d := newDriver(t, a.settings())
	private, public := swarm.Torrent("private"), swarm.Torrent("dead")
	ref := addLimited(t, d, torrentOf(private), downloader.Limits{DownloadRate: 1000})
	add(t, d, "public", t.TempDir(), torrentOf(public))
	eventually(t, "the public torrent is looked for", func() bool { return node.wasAskedFor(public.InfoHash) })
	if st := check(t, d, ref); st.Phase != downloader.PhaseDownloading || node.wasAskedFor(private.InfoHash) {
		t.Errorf("the private torrent is %s, and was told to the DHT: %v", st.Phase, node.wasAskedFor(private.InfoHash))
	}
}
