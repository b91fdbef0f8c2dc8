package driver

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const pieceLength = 16 << 10

// swarm is a tracker and a torrent of two files, "data/a.bin" and "data/sub/b.bin".
type swarm struct {
	*httptest.Server
	mu      sync.Mutex
	peers   map[string]map[uint16]bool // by info hash
	files   map[string][]byte
	torrent []byte
	hash    string
}

func startSwarm(t *testing.T) *swarm {
	t.Helper()
	s := &swarm{
		peers: map[string]map[uint16]bool{},
		files: map[string][]byte{"data/a.bin": content(200_000), "data/sub/b.bin": content(100_001)},
	}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	whole := append(append([]byte(nil), s.files["data/a.bin"]...), s.files["data/sub/b.bin"]...)
	var pieces strings.Builder
	for i := 0; i < len(whole); i += pieceLength {
		p := sha1.Sum(whole[i:min(i+pieceLength, len(whole))])
		pieces.Write(p[:])
	}
	info := fmt.Sprintf("d5:filesld6:lengthi200000e4:pathl5:a.bineed6:lengthi100001e4:pathl3:sub5:b.bineee4:name4:data12:piece lengthi%de6:pieces%d:%se",
		pieceLength, pieces.Len(), pieces.String())
	announce := s.URL + "/announce"
	s.torrent = []byte(fmt.Sprintf("d8:announce%d:%s4:info%se", len(announce), announce, info))
	sum := sha1.Sum([]byte(info))
	s.hash = hex.EncodeToString(sum[:])
	return s
}

func (s *swarm) magnet() string {
	return "magnet:?xt=urn:btih:" + s.hash + "&dn=data&tr=" + s.URL + "/announce"
}

// ServeHTTP answers announces with all other peers.
func (s *swarm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	port, _ := strconv.ParseUint(q.Get("port"), 10, 16)
	hash := hex.EncodeToString([]byte(q.Get("info_hash")))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.peers[hash] == nil {
		s.peers[hash] = map[uint16]bool{}
	}
	var compact []byte
	for p := range s.peers[hash] {
		if p != uint16(port) {
			compact = binary.BigEndian.AppendUint16(append(compact, 127, 0, 0, 1), p)
		}
	}
	if q.Get("event") == "stopped" {
		delete(s.peers[hash], uint16(port))
	} else {
		s.peers[hash][uint16(port)] = true
	}
	fmt.Fprintf(w, "d8:intervali1e12:min intervali1e5:peers%d:%se", len(compact), compact)
}

// seed starts an aria2 that has the data, and waits until the tracker knows it.
func (s *swarm) seed(t *testing.T) *aria2 {
	t.Helper()
	a := startAria2(t)
	dir := t.TempDir()
	for name, data := range s.files {
		p := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	a.call("aria2.addTorrent", nil, base64.StdEncoding.EncodeToString(s.torrent), []string{},
		map[string]string{"dir": dir, "check-integrity": "true", "seed-ratio": "0"})
	eventually(t, "the seeder is announced", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.peers[s.hash]) > 0
	})
	return a
}

func (s *swarm) check(t *testing.T, dir string, st downloader.Status) {
	t.Helper()
	if st.InfoHash != s.hash || st.Name != "data" || st.TotalBytes != 300_001 || st.DoneBytes != 300_001 {
		t.Errorf("status is %+v", st)
	}
	want := []downloader.File{{Index: 0, Path: "data/a.bin", Size: 200_000, DoneBytes: 200_000}, {Index: 1, Path: "data/sub/b.bin", Size: 100_001, DoneBytes: 100_001}}
	if fmt.Sprint(st.Files) != fmt.Sprint(want) {
		t.Errorf("files are %+v", st.Files)
	}
	for name, data := range s.files {
		sameFile(t, dir, name, data)
	}
}

func TestTorrentIsLoadedAndVerifiedRatherThanLoadedAgain(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	seeder := s.seed(t)
	a := startAria2(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	src := downloader.Source{Kind: downloader.SourceTorrent, Content: s.torrent}
	ref := add(t, d, "job-1", dir, src)
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))

	seeder.kill() // from here on nobody has the data
	a.restart()
	await(t, d, ref, downloader.PhaseGone)
	add(t, d, "job-1", dir, src)
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))
}

func TestMagnetLeadsToTheRealDownload(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	a := startAria2(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	pushed := watch(t, d)
	src := downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()}
	ref := add(t, d, "job-1", dir, src)
	st := await(t, d, ref, downloader.PhaseMetadata)
	if st.TotalBytes != 0 || st.InfoHash != s.hash {
		t.Errorf("status while looking for metadata is %+v", st)
	}
	s.seed(t)
	for st = range pushed {
		if st.Phase == downloader.PhaseComplete {
			break
		}
	}
	s.check(t, dir, st)
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))
	s.check(t, dir, await(t, newDriver(t, a.settings()), ref, downloader.PhaseComplete))
	add(t, d, "job-1", dir, src)

	listed, err := d.List(t.Context())
	if err != nil || len(listed) != 1 || listed[0].Ref.JobID != "job-1" {
		t.Errorf("listed %v, %v", listed, err)
	}
	if err := d.Remove(t.Context(), ref, false); err != nil {
		t.Fatal(err)
	}
	var stopped []any
	a.call("aria2.tellStopped", &stopped, 0, 10)
	if len(stopped) > 0 {
		t.Errorf("left behind: %v", stopped)
	}
}

func TestMagnetGoesOnAfterKillOfTheDaemon(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	seeder := s.seed(t)
	seeder.call("aria2.changeGlobalOption", nil, map[string]string{"max-overall-upload-limit": "40K"})
	a := startAria2(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	ref := add(t, d, "job-1", dir, downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()})
	eventually(t, "some data is there", func() bool {
		got, err := d.Check(t.Context(), []downloader.Ref{ref})
		return err == nil && got[0].Phase == downloader.PhaseDownloading && got[0].DoneBytes > 0
	})
	a.restart()
	seeder.call("aria2.changeGlobalOption", nil, map[string]string{"max-overall-upload-limit": "0"})
	add(t, d, "job-1", dir, downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()})
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))
}

func TestRemovedMagnetTakesItsDownloadAlong(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	seeder := s.seed(t)
	seeder.call("aria2.changeGlobalOption", nil, map[string]string{"max-overall-upload-limit": "20K"})
	a := startAria2(t)
	d := newDriver(t, a.settings())
	ref := add(t, d, "job-1", t.TempDir(), downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()})
	await(t, d, ref, downloader.PhaseDownloading)
	if err := d.Remove(t.Context(), ref, false); err != nil {
		t.Fatal(err)
	}
	var active, stopped []any
	a.call("aria2.tellActive", &active)
	a.call("aria2.tellStopped", &stopped, 0, 10)
	if len(active)+len(stopped) > 0 {
		t.Errorf("left behind: %v %v", active, stopped)
	}
}

func TestMagnetWhoseDownloadWasLostIsAddedAgain(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	s.seed(t)
	a := startAria2(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	src := downloader.Source{Kind: downloader.SourceMagnet, URI: s.magnet()}
	ref := add(t, d, "job-1", dir, src)
	await(t, d, ref, downloader.PhaseComplete)
	var meta task
	a.call("aria2.tellStatus", &meta, gidOf("job-1"))
	a.call("aria2.removeDownloadResult", nil, meta.FollowedBy[0])
	await(t, d, ref, downloader.PhaseGone)
	add(t, d, "job-1", dir, src)
	s.check(t, dir, await(t, d, ref, downloader.PhaseComplete))
}

func TestSameTorrentTwiceIsSaidSo(t *testing.T) {
	t.Parallel()
	s := startSwarm(t)
	a := startAria2(t)
	d := newDriver(t, a.settings())
	src := downloader.Source{Kind: downloader.SourceTorrent, Content: s.torrent}
	await(t, d, add(t, d, "job-1", t.TempDir(), src), downloader.PhaseDownloading)
	for _, again := range []downloader.Source{src, {Kind: downloader.SourceMagnet, URI: s.magnet()}} {
		_, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-2", Dir: t.TempDir(), Source: again})
		if !errs.Is(err, errs.InUse) || errs.HintOf(err) == "" {
			t.Errorf("%s: %v", again.Kind, err)
		}
	}
	// Who adds at the same time is told a moment later.
	var third downloader.Status
	a.call("aria2.addTorrent", nil, base64.StdEncoding.EncodeToString(s.torrent), []string{}, map[string]string{"gid": gidOf("job-3"), "dir": t.TempDir()})
	eventually(t, "the third one fails", func() bool {
		got, err := d.Check(t.Context(), []downloader.Ref{handle{Kind: src.Kind}.ref("job-3")})
		if err != nil {
			t.Fatal(err)
		}
		third = got[0]
		return third.Phase == downloader.PhaseFailed
	})
	if !errs.Is(third.Err, errs.InUse) {
		t.Errorf("the third one fails with %v", third.Err)
	}
}

func TestHostileTorrentIsRefused(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	d := newDriver(t, a.settings())
	info := "d5:filesld6:lengthi1e4:pathl2:..1:xeee4:name1:d12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaae"
	_, err := d.Add(t.Context(), downloader.AddRequest{
		JobID: "job-1", Dir: t.TempDir(),
		Source: downloader.Source{Kind: downloader.SourceTorrent, Content: []byte("d4:info" + info + "e")},
	})
	if !errs.Is(err, errs.UnsafeTorrent) {
		t.Fatalf("got %v", err)
	}
}

func TestTorrentLargerThanTheDaemonTakesIsSaidSo(t *testing.T) {
	t.Parallel()
	a := startAria2(t) // 2 MiB is aria2's default
	d := newDriver(t, a.settings())
	pieces := strings.Repeat("p", 100_000*20)
	large := fmt.Sprintf("d4:infod6:lengthi%de4:name1:x12:piece lengthi16384e6:pieces%d:%see", 100_000*16384, len(pieces), pieces)
	src := downloader.Source{Kind: downloader.SourceTorrent, Content: []byte(large)}
	_, err := d.Add(t.Context(), downloader.AddRequest{JobID: "job-1", Dir: t.TempDir(), Source: src})
	if !errs.Is(err, errs.TorrentTooLarge) || !strings.Contains(errs.HintOf(err), "rpc-max-request-size") {
		t.Fatalf("got %v (%s)", err, errs.HintOf(err))
	}
}

func TestMetalinkIsOneJobOfSeveralVerifiedFiles(t *testing.T) {
	t.Parallel()
	a, w := startAria2(t), startWeb(t)
	d, dir := newDriver(t, a.settings()), t.TempDir()
	ref := add(t, d, "job-1", dir, downloader.Source{Kind: downloader.SourceMetalink, Content: metalink(w, "one.bin", "sub/two.bin")})
	st := await(t, d, ref, downloader.PhaseComplete)
	want := []downloader.File{{Index: 0, Path: "one.bin", Size: 1000, DoneBytes: 1000}, {Index: 1, Path: "sub/two.bin", Size: 1000, DoneBytes: 1000}}
	if fmt.Sprint(st.Files) != fmt.Sprint(want) || st.TotalBytes != 2000 || st.DoneBytes != 2000 {
		t.Errorf("status is %+v", st)
	}
	sameFile(t, dir, "one.bin", content(1000))
	sameFile(t, dir, "sub/two.bin", content(1000))
	if err := d.Remove(t.Context(), downloader.Ref{JobID: "job-1"}, false); err != nil { // as if the Ref had been lost
		t.Fatal(err)
	}
	await(t, d, ref, downloader.PhaseGone)

	bad := strings.Replace(string(metalink(w, "one.bin")), sum(content(1000)), sum(content(999)), 1)
	ref = add(t, d, "job-2", t.TempDir(), downloader.Source{Kind: downloader.SourceMetalink, Content: []byte(bad)})
	eventually(t, "the wrong checksum is found", func() bool {
		got, err := d.Check(t.Context(), []downloader.Ref{ref})
		return err == nil && got[0].Phase == downloader.PhaseFailed && errs.Is(got[0].Err, errs.ChecksumMismatch)
	})
}
