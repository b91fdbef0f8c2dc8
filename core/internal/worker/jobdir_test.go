package worker

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func TestOnlyMarkedDirectoriesWithoutAJobAreRemoved(t *testing.T) {
	w := newWorld(t, scripted.Options{})
	r := w.start()
	job := newJob()
	r.send(w.full(job))
	r.waitAdded(job.ID)
	r.stop()
	jobs := filepath.Join(w.dir, "jobs")
	outside := t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "precious"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	orphan, unmarked := string(core.NewID[core.JobID]()), string(core.NewID[core.JobID]())
	strange, unreadable := string(core.NewID[core.JobID]()), string(core.NewID[core.JobID]())
	for name, marker := range map[string]string{orphan: orphan, unmarked: "", strange: orphan, unreadable: unreadable, "other": "other"} {
		dir := filepath.Join(jobs, name)
		if err := os.MkdirAll(filepath.Join(dir, dataName), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(outside, filepath.Join(dir, dataName, "link")); err != nil {
			t.Fatal(err)
		}
		if marker != "" {
			if err := os.WriteFile(filepath.Join(dir, markerName), []byte(marker), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	_, err := w.kv.Commit(context.Background(), &store.Txn{Then: []store.Op{{Type: store.OpPut, Key: keyJob + unreadable, Value: []byte("rubbish")}}})
	if err != nil {
		t.Fatal(err)
	}
	r = w.start()
	r.send(w.full(job))
	left := func() (names []string) {
		entries, err := os.ReadDir(jobs)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		return names
	}
	deadline := time.Now().Add(10 * time.Second)
	for slices.Contains(left(), orphan) && time.Now().Before(deadline) {
		runtime.Gosched()
	}
	want := []string{string(job.ID), unmarked, strange, unreadable, "other"}
	slices.Sort(want)
	if got := left(); !slices.Equal(got, want) {
		t.Errorf("left are %v, want %v", got, want)
	}
	if _, err := os.Stat(filepath.Join(outside, "precious")); err != nil {
		t.Error("a link was followed")
	}
}
