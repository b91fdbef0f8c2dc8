package driver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestWhatTheDiskRefusesIsExplained(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	cases := map[string]struct {
		torrent string
		spoil   func(t *testing.T, dir string)
		want    errs.Code
	}{
		"a folder that may not be written": {"web", func(t *testing.T, dir string) {
			t.Helper()
			if err := os.Chmod(dir, 0o500); err != nil {
				t.Fatal(err)
			}
		}, errs.PathNotWritable},
		"a full disk": {"webmulti", fillUp, errs.OutOfSpace},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			own := *b
			own.t = t
			req := own.request(torrentSource(b.swarm.Torrent(c.torrent)))
			req.Dir = filepath.Join(filepath.Dir(req.Dir), c.torrent)
			if err := os.Mkdir(req.Dir, 0o755); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, req.Dir)
			r := own.add(req)
			s := r.awaitThat("to fail", func(s downloader.Status) bool { return s.Phase == downloader.PhaseFailed })
			if !errs.Is(s.Err, c.want) || errs.HintOf(s.Err) == "" || s.DoneBytes != 0 {
				t.Errorf("failed with %v (%s), %d bytes done", s.Err, s.Message, s.DoneBytes)
			}
			if err := own.driver.Remove(t.Context(), r.ref, true); err != nil {
				t.Error(err)
			}
		})
	}
}

// fillUp puts a file system without room into the folder's place.
func fillUp(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "mount", "-t", "tmpfs", "-o", "size=64k,mode=0777", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("this needs root: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "--lazy", dir).CombinedOutput(); err != nil {
			t.Errorf("%s: %v", out, err)
		}
	})
}

func TestTheDaemonsWordsAreUnderstood(t *testing.T) {
	t.Parallel()
	for words, want := range map[string]errs.Code{
		"No space left on device (/srv/x)":                                  errs.OutOfSpace,
		"Couldn't save 'x.bin': No space left on device (28)":               errs.OutOfSpace,
		"Disk quota exceeded (/srv/x)":                                      errs.OutOfSpace,
		"Permission denied (/srv/x)":                                        errs.PathNotWritable,
		"Read-only file system (/srv/x)":                                    errs.PathNotWritable,
		"File name too long (/srv/x)":                                       errs.InvalidTorrent,
		`No data found! Ensure your drives are connected or use "Set Loc…"`: errs.FilesMissing,
		"Input/output error (/srv/x)":                                       errs.DownloaderError,
		"":                                                                  errs.DownloaderError,
	} {
		err := (&torrent{err: localError, message: words}).failed()
		if !errs.Is(err, want) || strings.Contains(errs.MessageOf(err)+errs.HintOf(err), "/srv") {
			t.Errorf("%q: %v", words, err)
		}
	}
	if err := (&torrent{err: 2, message: "Unregistered torrent"}).failed(); err != nil {
		t.Errorf("a tracker's words: %v", err)
	}
}
