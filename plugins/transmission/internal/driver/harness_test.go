package driver

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/downloader"
)

// patience is longer than any wait that ends well: the daemon takes data from
// peers at its ten-second tick alone, and several of them share the machine.
const patience = 90 * time.Second

// bench is a daemon, a driver for it, and a swarm.
type bench struct {
	t      testing.TB
	daemon *lab.Transmission
	driver *Driver
	swarm  *lab.Swarm
	jobs   int
}

func newBench(t testing.TB, opts ...lab.SwarmOption) *bench {
	t.Helper()
	b := &bench{t: t, daemon: lab.StartTransmission(t, lab.TransmissionOptions{}), swarm: lab.StartSwarm(t, opts...)}
	b.driver = newDriver(t, settingsOf(b.daemon))
	return b
}

func settingsOf(d *lab.Transmission) settings {
	return settings{Address: d.Address, Username: d.Username, Password: d.Password}
}

func newDriver(t testing.TB, s settings) *Driver {
	t.Helper()
	return newLoggingDriver(t, s, hclog.NewNullLogger())
}

func newLoggingDriver(t testing.TB, s settings, logger hclog.Logger) *Driver {
	t.Helper()
	d, err := New().Configure(t.Context(), downloader.Config{
		DownloaderID: "dl-1", Settings: toJSON(t, s), StateDir: t.TempDir(), MaxActive: 50, Logger: logger,
	})
	if err != nil {
		t.Fatal(err)
	}
	drv, ok := d.(*Driver)
	if !ok {
		t.Fatalf("it is a %T", d)
	}
	t.Cleanup(func() { _ = drv.Close(context.Background()) })
	return drv
}

// MarshalJSON leaves out what is empty.
func (s settings) MarshalJSON() ([]byte, error) {
	out := map[string]string{}
	for k, v := range map[string]string{"address": s.Address, "username": s.Username, "password": s.Password, "ca_certificate": s.CACertificate} {
		if v != "" {
			out[k] = v
		}
	}
	return json.Marshal(out)
}

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// running is a job that was added.
type running struct {
	*bench
	ref downloader.Ref
	dir string
	req downloader.AddRequest
}

func torrentSource(tor lab.Torrent) downloader.Source {
	return downloader.Source{Kind: downloader.SourceTorrent, Content: tor.Bytes}
}

func magnetSource(tor lab.Torrent) downloader.Source {
	return downloader.Source{Kind: downloader.SourceMagnet, URI: tor.Magnet}
}

// request is for a job in a folder of its own.
func (b *bench) request(s downloader.Source) downloader.AddRequest {
	b.t.Helper()
	b.jobs++
	dir := filepath.Join(b.daemon.Dir, fmt.Sprintf("job-%d", b.jobs), "data")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		b.t.Fatal(err)
	}
	return downloader.AddRequest{JobID: fmt.Sprintf("job-%d", b.jobs), Source: s, Dir: dir}
}

func (b *bench) add(req downloader.AddRequest) *running {
	b.t.Helper()
	ref, err := b.driver.Add(b.t.Context(), req)
	if err != nil {
		b.t.Fatalf("add: %v", err)
	}
	return &running{bench: b, ref: ref, dir: req.Dir, req: req}
}

func (b *bench) addTorrent(name string) *running {
	b.t.Helper()
	return b.add(b.request(torrentSource(b.swarm.Torrent(name))))
}

func (r *running) check() downloader.Status {
	r.t.Helper()
	got, err := r.driver.Check(r.t.Context(), []downloader.Ref{r.ref})
	if err != nil || len(got) != 1 || got[0].JobID != r.ref.JobID {
		r.t.Fatalf("check: %+v, %v", got, err)
	}
	return got[0]
}

// await checks the job until it is in the phase.
func (r *running) await(want downloader.Phase) downloader.Status {
	r.t.Helper()
	return r.awaitThat(string(want), func(s downloader.Status) bool { return s.Phase == want })
}

func (r *running) awaitThat(what string, ok func(downloader.Status) bool) downloader.Status {
	r.t.Helper()
	var last downloader.Status
	var failure error
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		got, err := r.driver.Check(r.t.Context(), []downloader.Ref{r.ref})
		if failure = err; err == nil && len(got) == 1 {
			if last = got[0]; ok(last) {
				return last
			}
			if last.Phase == downloader.PhaseFailed {
				break
			}
		}
		time.Sleep(50 * time.Millisecond) // between two looks
	}
	r.t.Fatalf("job is %+v (%v, %v), want %s", last, last.Err, failure, what)
	return last
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if ok() {
			return
		}
		time.Sleep(50 * time.Millisecond) // between two looks
	}
	t.Fatalf("not in time: %s", what)
}

// call asks the daemon beside the driver under test.
func (b *bench) call(method string, args, out any) {
	b.t.Helper()
	if err := b.driver.client.Call(b.t.Context(), method, args, out); err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
}

// field returns what the daemon says of the job's torrent.
func (r *running) field(name string) any {
	r.t.Helper()
	h, _ := readHandle(r.ref)
	args := ids(h.Hash)
	args["fields"] = []string{name}
	var out struct{ Torrents []map[string]any }
	r.call("torrent-get", args, &out)
	if len(out.Torrents) != 1 {
		r.t.Fatalf("%d torrents", len(out.Torrents))
	}
	return out.Torrents[0][name]
}

func (r *running) order(method string, more map[string]any) {
	r.t.Helper()
	h, _ := readHandle(r.ref)
	args := ids(h.Hash)
	for k, v := range more {
		args[k] = v
	}
	r.call(method, args, nil)
}

func fileSHA256(t testing.TB, path string) string {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
		return ""
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// assertFiles checks the reported files against the torrent and the disk. Only
// those of wanted are there; none given means all.
func (r *running) assertFiles(s downloader.Status, tor lab.Torrent, wanted ...int) {
	r.t.Helper()
	if len(s.Files) != len(tor.Files) {
		r.t.Fatalf("%d files reported, want %d", len(s.Files), len(tor.Files))
	}
	want := map[int]bool{}
	for _, i := range wanted {
		want[i] = true
	}
	for i, f := range s.Files {
		isWanted := len(wanted) == 0 || want[i]
		if f.Index != i || f.Size != tor.Files[i].Size || f.Skipped == isWanted {
			r.t.Errorf("file %d is %+v", i, f)
		}
		if !isWanted {
			continue
		}
		if f.DoneBytes != f.Size {
			r.t.Errorf("%s has %d of %d bytes", f.Path, f.DoneBytes, f.Size)
		}
		if got := fileSHA256(r.t, filepath.Join(r.dir, filepath.FromSlash(f.Path))); got != tor.Files[i].SHA256 {
			r.t.Errorf("%q has other bytes", f.Path)
		}
	}
}

// logBuffer returns a logger of everything, and where it writes to.
func logBuffer() (hclog.Logger, *syncBuffer) {
	out := &syncBuffer{}
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: out}), out
}

type syncBuffer struct{ bytes.Buffer } // hclog locks its writer
