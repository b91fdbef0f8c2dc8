package delivery

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

const gib = 1 << 30

// BenchmarkRenameOf4GiB delivers a file of 4 GiB, of holes, to another folder
// of its file system. It should take less than 50 ms.
func BenchmarkRenameOf4GiB(b *testing.B) {
	for i := range b.N {
		b.StopTimer()
		job := newJobIn(b, b.TempDir(), nil)
		job.Root, job.Path = filepath.Dir(job.Source), fmt.Sprint(i)
		big := filepath.Join(job.Source, "big.bin")
		if err := os.WriteFile(big, []byte("begins"), 0o600); err != nil {
			b.Fatal(err)
		}
		if err := os.Truncate(big, 4*gib); err != nil {
			b.Fatal(err)
		}
		job.Files = []downloader.File{{Path: "big.bin", Size: 4 * gib}}
		b.StartTimer()
		mustDeliver(b, job)
	}
}

// BenchmarkRenameOf10000Files delivers 10,000 small files in one folder, that
// were just written. It should take less than 2 s.
func BenchmarkRenameOf10000Files(b *testing.B) {
	for i := range b.N {
		b.StopTimer()
		job := manyFiles(b, 10_000)
		job.Path = fmt.Sprint(i)
		b.StartTimer()
		mustDeliver(b, job)
	}
}

// BenchmarkCopyBesideCp copies 1 GiB to another file system, and has cp do the
// same right before and after, up to the same point: durable. The ratio is cp's
// time by ours: 0.8 should be reached.
func BenchmarkCopyBesideCp(b *testing.B) {
	if _, err := exec.LookPath("cp"); err != nil {
		b.Skip("no cp here")
	}
	var ours, theirs, plain time.Duration
	source := filepath.Join(b.TempDir(), "job")
	if err := os.Mkdir(source, 0o750); err != nil {
		b.Fatal(err)
	}
	const size = gib
	writeRandom(b, filepath.Join(source, "big.bin"), size)
	b.SetBytes(size)
	for b.Loop() {
		root := otherDeviceOf(b, "size=4g")
		one, synced := cp(b, filepath.Join(source, "big.bin"), filepath.Join(root, "cp1"))
		plain, theirs = plain+one, theirs+synced
		job := newJobIn(b, source, nil)
		job.Root, job.Files = root, []downloader.File{{Path: "big.bin", Size: size}}
		began := time.Now()
		mustDeliver(b, job)
		ours += time.Since(began)
		one, synced = cp(b, filepath.Join(source, "big.bin"), filepath.Join(root, "cp2"))
		plain, theirs = plain+one, theirs+synced
	}
	b.ReportMetric(float64(theirs)/2/float64(ours), "cp+sync/ours")
	b.ReportMetric(float64(plain)/2/float64(ours), "cp/ours")
	b.ReportMetric(ours.Seconds()/float64(b.N), "s/copy")
	b.ReportMetric(0, "ns/op")
}

// cp copies with the system's program and returns how long that took, and how
// long until the disk had it.
func cp(b *testing.B, from, to string) (copied, synced time.Duration) {
	b.Helper()
	began := time.Now()
	if out, err := exec.Command("cp", from, to).CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	copied = time.Since(began)
	f, err := os.Open(to)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
	return copied, time.Since(began)
}

func mustDeliver(tb testing.TB, job Job) Result {
	tb.Helper()
	r, err := deliver(newMover(), job)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// manyFiles makes a job with small files in one folder, beside its storage.
func manyFiles(tb testing.TB, n int) Job {
	tb.Helper()
	job := newJobIn(tb, filepath.Join(tb.TempDir(), "job"), nil)
	job.Root = filepath.Dir(job.Source)
	for i := range n {
		name := fmt.Sprintf("many/%d/%d.txt", i/1000, i)
		path := filepath.Join(job.Source, name)
		if i%1000 == 0 {
			if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
				tb.Fatal(err)
			}
		}
		if err := os.WriteFile(path, []byte("small"), 0o600); err != nil {
			tb.Fatal(err)
		}
		job.Files = append(job.Files, downloader.File{Index: i, Path: name, Size: 5})
	}
	return job
}

func writeRandom(tb testing.TB, path string, size int64) {
	tb.Helper()
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 1<<20)
	for i := range block {
		block[i] = byte(i * i >> 7)
	}
	for n := int64(0); n < size; n += int64(len(block)) {
		block[0]++
		if _, err := f.Write(block); err != nil {
			tb.Fatal(err)
		}
	}
	if err := f.Sync(); err != nil {
		tb.Fatal(err)
	}
}
