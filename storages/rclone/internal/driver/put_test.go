package driver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

func TestAFileArrivesAsItIs(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d := configure(t, s.settings)
		for _, size := range []int{0, 1, 100_000, 21<<20 + 7} {
			path, data := fmt.Sprintf("a folder/of/%d.bin", size), content(size)
			req := request(path, data)
			var last atomic.Int64
			req.Progress = func(done int64) {
				if done < last.Swap(done) {
					t.Errorf("progress goes back to %d", done)
				}
			}
			o, err := d.Put(withTimeout(t), req)
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if o.Path != path || o.Size != int64(size) || o.Dir {
				t.Errorf("%d bytes are described as %+v", size, o)
			}
			if last.Load() != int64(size) {
				t.Errorf("progress ends at %d of %d", last.Load(), size)
			}
			got, err := os.ReadFile(filepath.Join(s.dir, path))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes: the server has %d others, %v", size, len(got), err)
			}
			stat, err := d.Stat(withTimeout(t), path)
			if err != nil || stat.Size != int64(size) || stat.ModTime.Unix() != o.ModTime.Unix() {
				t.Errorf("%d bytes: Stat says %+v, %v; Put said %+v", size, stat, err, o)
			}
		}
		if left := hidden(s.visible(t)); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func TestWhatExistsIsReplacedOnlyWhereThatIsWanted(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d, old, other := configure(t, s.settings), content(1000), content(70_000)
		if _, err := d.Put(withTimeout(t), request("dir/f", old)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Put(withTimeout(t), request("dir/f", other)); !errs.Is(err, errs.DestinationExists) {
			t.Errorf("without Overwrite: %v", err)
		}
		if got, _ := os.ReadFile(filepath.Join(s.dir, "dir/f")); !bytes.Equal(got, old) {
			t.Error("the file has changed")
		}
		req := request("dir/f", other)
		req.Overwrite = true
		if _, err := d.Put(withTimeout(t), req); err != nil {
			t.Fatal(err)
		}
		if got, _ := os.ReadFile(filepath.Join(s.dir, "dir/f")); !bytes.Equal(got, other) {
			t.Error("the file was not replaced")
		}
	})
}

func TestNames(t *testing.T) {
	names := map[string]string{
		"characters that Windows reserves": `a<b>c:d"e|f?g*h\i.txt`,
		"a dot at the end":                 "trailing.",
		"a space at the end":               "trailing ",
		"a space at the beginning":         " leading",
		"Unicode":                          "Zürich – 東京 🎬.mkv",
		"Unicode that is decomposed":       "Zu\u0308rich.mkv",
		"percent and plus":                 "100%41+a&b=c#d;e.txt",
		"a control character":              "bell\x07.txt",
		"255 bytes":                        strings.Repeat("n", 251) + ".txt",
		"a device of DOS":                  "con.txt",
		"a tilde":                          "~",
	}
	onEach(t, func(t *testing.T, s server) {
		d := configure(t, s.settings)
		for what, name := range names {
			path := "names/" + name
			o, err := d.Put(withTimeout(t), request(path, []byte(what)))
			if err != nil {
				t.Errorf("%s: %v", what, err)
				continue
			}
			if o.Path != path {
				t.Errorf("%s: %q became %q", what, path, o.Path)
			}
			if stat, err := d.Stat(withTimeout(t), path); err != nil || stat.Path != path || stat.Size != int64(len(what)) {
				t.Errorf("%s: Stat says %+v, %v", what, stat, err)
			}
			if err := d.Remove(withTimeout(t), path); err != nil {
				t.Errorf("%s: remove: %v", what, err)
			}
		}
		tooLong := "names/" + strings.Repeat("n", 300)
		_, err := d.Put(withTimeout(t), request(tooLong, []byte("x")))
		if err != nil && !errs.Is(err, errs.NameNotPossible) {
			t.Errorf("300 bytes: %s: %v", errs.CodeOf(err), err)
		}
		for _, path := range []string{"", ".", "/abs", "../up", "a/../../b", "a//b", "dir/"} {
			if _, err := d.Put(withTimeout(t), request(path, nil)); !errs.Is(err, errs.NameNotPossible) {
				t.Errorf("path %q: %v", path, err)
			}
		}
	})
}

func TestAServerThatEndsInTheMiddleShowsNoHalf(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d, data := configure(t, s.settings), content(24<<20)
		req := request("cut/file.bin", data)
		req.Content = halfway(data, func() error { s.stop(); return nil })
		_, err := d.Put(withTimeout(t), req)
		if !errs.Is(err, errs.StorageUnreachable) {
			t.Errorf("while it is down: %s: %v", errs.CodeOf(err), err)
		}
		if _, err := d.Stat(withTimeout(t), "cut/file.bin"); !errs.Is(err, errs.StorageUnreachable) {
			t.Errorf("Stat while it is down: %s: %v", errs.CodeOf(err), err)
		}
		if slices.Contains(s.visible(t), "cut/file.bin") {
			t.Error("half a file is visible")
		}
		s.restart()
		if _, err := d.Stat(withTimeout(t), "cut/file.bin"); !errs.Is(err, errs.NotFound) {
			t.Errorf("Stat when it is back: %v", err)
		}
		if _, err := d.Put(withTimeout(t), request("cut/file.bin", data)); err != nil {
			t.Fatalf("when it is back: %v", err)
		}
		if got, _ := os.ReadFile(filepath.Join(s.dir, "cut/file.bin")); !bytes.Equal(got, data) {
			t.Error("the file is another one")
		}
		if left := hidden(s.visible(t)); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if left := s.uploads(t); len(left) > 0 {
			t.Errorf("unfinished uploads are left: %q", left)
		}
	})
}

func TestRemoveCleansUpAfterAPutThatWasCutOff(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d, data := configure(t, s.settings), content(24<<20)
		req := request("cut/file.bin", data)
		req.Content = halfway(data, func() error { s.stop(); return nil })
		if _, err := d.Put(withTimeout(t), req); err == nil {
			t.Fatal("it did not fail")
		}
		s.restart()
		if s.parts != "" && len(s.uploads(t)) == 0 {
			t.Error("there is nothing to clean up")
		}
		if err := d.Remove(withTimeout(t), "cut/file.bin"); err != nil {
			t.Fatal(err)
		}
		if left := s.uploads(t); len(left) > 0 {
			t.Errorf("unfinished uploads are left: %q", left)
		}
		if left := s.visible(t); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
	})
}

func TestACallerWhoGivesUpLeavesNothing(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d, data := configure(t, s.settings), content(24<<20)
		ctx, cancel := context.WithCancel(withTimeout(t))
		req := request("given/up.bin", data)
		req.Content = halfway(data, func() error { cancel(); return nil })
		if _, err := d.Put(ctx, req); !errs.Is(err, errs.Canceled) {
			t.Errorf("%s: %v", errs.CodeOf(err), err)
		}
		if left := s.visible(t); len(left) > 0 {
			t.Errorf("left behind: %q", left)
		}
		if _, err := d.Put(withTimeout(t), request("given/up.bin", data)); err != nil {
			t.Errorf("the next one: %v", err)
		}
	})
}

func TestContentThatFailsIsNotTheStoragesFault(t *testing.T) {
	broken := errs.New(errs.FilesChanged, "It changed.")
	onEach(t, func(t *testing.T, s server) {
		d, data := configure(t, s.settings), content(12<<20)
		tests := map[string]storage.PutRequest{
			"a read that fails": {Size: int64(len(data)), Content: halfway(data, func() error { return broken })},
			"too few bytes":     {Size: int64(len(data)) + 1, Content: bytes.NewReader(data)},
			"too few, at once":  {Size: 10, Content: bytes.NewReader(data[:5])},
		}
		for what, req := range tests {
			req.Path = "changed.bin"
			if _, err := d.Put(withTimeout(t), req); !errs.Is(err, errs.FilesChanged) {
				t.Errorf("%s: %s: %v", what, errs.CodeOf(err), err)
			}
			if left := s.visible(t); len(left) > 0 {
				t.Errorf("%s left behind: %q", what, left)
			}
		}
	})
}

func TestManyFilesAtOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d, ctx := configure(t, s.settings), withTimeout(t)
		var group errgroup.Group
		for i := range 24 {
			group.Go(func() error {
				_, err := d.Put(ctx, request(fmt.Sprintf("many/%d/f", i%6)+fmt.Sprint(i), content(10_000+i)))
				return err
			})
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
		if n := len(s.visible(t)); n != 24 {
			t.Errorf("%d files", n)
		}
	})
}

func TestOfTwoPutsOfOnePathOneWins(t *testing.T) {
	onEach(t, func(t *testing.T, s server) {
		d, ctx := configure(t, s.settings), withTimeout(t)
		var group errgroup.Group
		var won, refused atomic.Int32
		for range 4 {
			group.Go(func() error {
				_, err := d.Put(ctx, request("one", content(200_000)))
				switch {
				case err == nil:
					won.Add(1)
				case errs.Is(err, errs.DestinationExists):
					refused.Add(1)
				default:
					return err
				}
				return nil
			})
		}
		if err := group.Wait(); err != nil || won.Load() != 1 || refused.Load() != 3 {
			t.Errorf("%d won, %d were refused, %v", won.Load(), refused.Load(), err)
		}
	})
}

func TestTheCallersErrorsAreNotMixedUp(t *testing.T) {
	if code := errs.CodeOf(endOf(context.DeadlineExceeded)); code != errs.DeadlineExceeded {
		t.Error(code)
	}
	if code := errs.CodeOf(endOf(context.Canceled)); code != errs.Canceled {
		t.Error(code)
	}
	if code := codeOf(errors.New("507 Insufficient Storage")); code != errs.OutOfSpace {
		t.Error(code)
	}
}
