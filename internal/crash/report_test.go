package crash

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// report is what all worlds together have been through.
type report struct {
	seed  uint64
	dir   string
	begun time.Time

	mu                       sync.Mutex // guards what follows
	points                   map[string]int
	tasks, done, retries     int
	bytesWanted, bytesServed int64
	settles                  []time.Duration
	violations               []string
}

func newReport(t *testing.T, seed uint64, dir string) *report {
	t.Helper()
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(dir, "run-*")
	if err != nil {
		t.Fatal(err)
	}
	return &report{seed: seed, dir: dir, begun: time.Now(), points: map[string]int{}}
}

// dirFor makes the directory of a world.
func (r *report) dirFor(name string) string {
	dir := filepath.Join(r.dir, name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		panic(err)
	}
	return dir
}

func (r *report) change(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

func (r *report) point(kind string)         { r.change(func() { r.points[kind]++ }) }
func (r *report) accepted()                 { r.change(func() { r.tasks++ }) }
func (r *report) completed(size int64)      { r.change(func() { r.done++; r.bytesWanted += size }) }
func (r *report) sent(n int64)              { r.change(func() { r.bytesServed += n }) }
func (r *report) retried(n int)             { r.change(func() { r.retries += n }) }
func (r *report) settledIn(d time.Duration) { r.change(func() { r.settles = append(r.settles, d) }) }

func (r *report) violation(world, text string) {
	r.change(func() {
		r.violations = append(r.violations, fmt.Sprintf("%s %s: %s", time.Now().UTC().Format("15:04:05.000"), world, text))
	})
}

func (r *report) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, c := range r.points {
		n += c
	}
	return n
}

// String is for people.
func (r *report) String() string {
	n := r.count()
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "%d crash points in %s, seed %d\n", n, time.Since(r.begun).Round(time.Second), r.seed)
	for _, kind := range slices.Sorted(maps.Keys(r.points)) {
		fmt.Fprintf(&b, "  %5d  %s\n", r.points[kind], kind)
	}
	fmt.Fprintf(&b, "%d tasks accepted, %d completed, the others canceled or deleted by wish, %d tried again\n", r.tasks, r.done, r.retries)
	fmt.Fprintf(&b, "%d bytes wanted by URL and torrent, %d sent by the web server\n", r.bytesWanted, r.bytesServed)
	if len(r.settles) > 0 {
		fmt.Fprintf(&b, "%d rounds, the longest took %s to end after its last crash\n", len(r.settles), slices.Max(r.settles).Round(time.Millisecond))
	}
	fmt.Fprintf(&b, "%d violations\n", len(r.violations))
	for _, v := range r.violations {
		fmt.Fprintf(&b, "  %s\n", v)
	}
	return b.String()
}

// finish prints the report, and keeps everything where something was wrong.
func (r *report) finish(t *testing.T) {
	fmt.Print(r)
	if len(r.violations) == 0 && !t.Failed() {
		_ = os.RemoveAll(r.dir)
		return
	}
	if err := os.WriteFile(filepath.Join(r.dir, "report.txt"), []byte(r.String()), 0o600); err != nil {
		t.Error(err)
	}
	fmt.Printf("Data, logs and this report are kept in %s. To try again: make crash SEED=%d\n", r.dir, r.seed)
}
