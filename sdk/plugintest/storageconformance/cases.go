package storageconformance

import (
	"context"
	"crypto/md5"  //nolint:gosec // storages tell it
	"crypto/sha1" //nolint:gosec // storages tell it
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// checkHashes checks those that the storage tells.
func checkHashes(t *testing.T, o storage.Object, data []byte) {
	t.Helper()
	s256, s1, m5 := sha256.Sum256(data), sha1.Sum(data), md5.Sum(data) //nolint:gosec // as above
	for _, h := range []struct{ name, got, want string }{
		{"SHA-256", o.SHA256, hex.EncodeToString(s256[:])},
		{"SHA-1", o.SHA1, hex.EncodeToString(s1[:])},
		{"MD5", o.MD5, hex.EncodeToString(m5[:])},
	} {
		if h.got != "" && h.got != h.want {
			t.Fatalf("%s: %s is %s, want %s", o.Path, h.name, h.got, h.want)
		}
	}
}

func putStatRemove(t *testing.T, s suite) {
	s.hasNot(t, "file.txt")
	s.put(t, "file.txt", content(1000), false)
	s.has(t, "file.txt", content(1000))
	if err := s.Remove(s.ctx, "file.txt"); err != nil {
		t.Fatal(err)
	}
	s.hasNot(t, "file.txt")
}

func putIntoFolders(t *testing.T, s suite) {
	s.put(t, "a/b/c/file", content(10), false)
	s.has(t, "a/b/c/file", content(10))
}

func putEmpty(t *testing.T, s suite) {
	s.put(t, "empty", nil, false)
	s.has(t, "empty", nil)
}

func putExisting(t *testing.T, s suite) {
	s.put(t, "file", content(100), false)
	if _, err := s.Put(s.ctx, request("file", content(50), false)); !errs.Is(err, errs.DestinationExists) {
		t.Fatalf("got %v, want %s", err, errs.DestinationExists)
	}
	s.has(t, "file", content(100))
}

func putOverwrite(t *testing.T, s suite) {
	s.put(t, "file", content(100), false)
	s.put(t, "file", content(50), true)
	s.has(t, "file", content(50))
}

func putOverFolder(t *testing.T, s suite) {
	s.put(t, "folder/file", content(10), false)
	o, err := s.Stat(s.ctx, "folder")
	if errs.Is(err, errs.NotFound) {
		t.Skip("the storage has no folders")
	}
	if err != nil || !o.Dir {
		t.Fatalf("stat: got %+v, %v", o, err)
	}
	for _, overwrite := range []bool{false, true} {
		if _, err := s.Put(s.ctx, request("folder", content(10), overwrite)); err == nil {
			t.Fatalf("a folder was replaced (overwrite %t)", overwrite)
		}
	}
	s.has(t, "folder/file", content(10))
}

func (s suite) putCut(t *testing.T, path string, size int, overwrite bool) {
	t.Helper()
	req := request(path, content(size), overwrite)
	req.Content = cut(content(size))
	if _, err := s.Put(s.ctx, req); err == nil {
		t.Fatalf("a file that was cut off was stored")
	}
}

func putCut(t *testing.T, s suite) {
	s.putCut(t, "a/cut", 3<<20, false)
	s.hasNot(t, "a/cut")
	if err := s.Remove(s.ctx, "a/cut"); err != nil {
		t.Fatalf("remove what it has left: %v", err)
	}
	s.hasNot(t, "a/cut")
}

func putAfterCut(t *testing.T, s suite) {
	s.putCut(t, "cut", 3<<20, false)
	s.put(t, "cut", content(3<<20), false)
	s.has(t, "cut", content(3<<20))
}

func overwriteCut(t *testing.T, s suite) {
	s.put(t, "file", content(100), false)
	s.putCut(t, "file", 3<<20, true)
	s.has(t, "file", content(100))
}

func putCanceled(t *testing.T, s suite) {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	data := content(3 << 20)
	req := request("given up", data, false)
	req.Content = io.MultiReader(strings.NewReader(string(data[:1<<20])), canceling{ctx, cancel})
	if _, err := s.Put(ctx, req); err == nil {
		t.Fatal("it was stored")
	}
	s.hasNot(t, "given up")
}

// canceling gives the call up when it is read.
type canceling struct {
	ctx    context.Context //nolint:containedctx // it is what is given up
	cancel context.CancelFunc
}

func (c canceling) Read([]byte) (int, error) {
	c.cancel()
	return 0, c.ctx.Err()
}

func putBig(t *testing.T, s suite) {
	data := content(bigSize)
	req := request("big", data, false)
	var most atomic.Int64
	req.Progress = func(done int64) {
		if done < 0 || done > bigSize {
			t.Errorf("progress: %d of %d bytes", done, bigSize)
		}
		most.Store(max(most.Load(), done))
	}
	if _, err := s.Put(s.ctx, req); err != nil {
		t.Fatal(err)
	}
	t.Logf("the last progress was %d of %d bytes", most.Load(), bigSize)
	s.has(t, "big", data)
}

// oddNames are names that people give to files.
var oddNames = []string{
	"with space", "Grüße 日本語 🎬.mkv", "a'b\"c", "100% #1 & more?.txt", "semi;colon,comma", "[brackets] {braces}",
	"star*", "a:b", `back\slash`, "trailing.", ".hidden", "UPPER", "upper", "line\nbreak", "tab\tname", "~tilde$HOME",
	strings.Repeat("n", 255), strings.Repeat("ü", 120),
}

func putOddNames(t *testing.T, s suite) {
	for i, name := range oddNames {
		path := fmt.Sprintf("odd%d/%s", i, name)
		data := content(i + 1)
		_, err := s.Put(s.ctx, request(path, data, false))
		if errs.Is(err, errs.NameNotPossible) {
			continue
		}
		if err != nil {
			t.Errorf("%q: %v, want it stored or %s", name, err, errs.NameNotPossible)
			continue
		}
		s.has(t, path, data)
		if err := s.Remove(s.ctx, path); err != nil {
			t.Errorf("remove %q: %v", name, err)
		}
		s.hasNot(t, path)
	}
}

func putAtOnce(t *testing.T, s suite) {
	const files = 12
	name := func(i int) string { return fmt.Sprintf("shared/%d/file", i%3*100+i) }
	err := together(files, func(i int) error {
		_, err := s.Put(s.ctx, request(name(i), content(200_000+i), false))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		s.has(t, name(i), content(200_000+i))
	}
}

func statMissing(t *testing.T, s suite) {
	s.hasNot(t, "nothing")
	s.hasNot(t, "no/such/folder/file")
}

func removeMissing(t *testing.T, s suite) {
	for _, path := range []string{"nothing", "no/such/folder/file"} {
		if err := s.Remove(s.ctx, path); err != nil {
			t.Errorf("remove %q: %v", path, err)
		}
	}
}

func removeFullFolder(t *testing.T, s suite) {
	s.put(t, "folder/file", content(10), false)
	if err := s.Remove(s.ctx, "folder"); err != nil && !errs.Is(err, errs.InUse) {
		t.Errorf("got %v, want %s", err, errs.InUse)
	}
	s.has(t, "folder/file", content(10))
	if err := s.Remove(s.ctx, "folder/file"); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(s.ctx, "folder"); err != nil {
		t.Errorf("remove the empty folder: %v", err)
	}
	s.hasNot(t, "folder/file")
}

func test(t *testing.T, s suite) {
	result, err := s.Test(s.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if len(result.Checks) == 0 {
		t.Error("it has tried nothing")
	}
	for _, c := range result.Checks {
		if c.Name == "" || c.Err != nil {
			t.Errorf("check %+v", c)
		}
	}
}

func space(t *testing.T, s suite) {
	got, err := s.Space(s.ctx)
	if errs.Is(err, errs.NotOffered) {
		t.Skip("not offered")
	}
	if err != nil {
		t.Fatal(err)
	}
	if got.Free < -1 || got.Total < -1 || got.Free > got.Total && got.Total >= 0 {
		t.Errorf("got %+v", got)
	}
}
