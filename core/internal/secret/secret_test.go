package secret

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func open(t *testing.T, path string) *Box {
	t.Helper()
	b, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatWasSealedOpensAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.key")
	for _, plain := range []string{"", "hunter2", strings.Repeat("x", 1<<16)} {
		sealed := open(t, path).Seal([]byte(plain), []byte("downloader/1"))
		if plain != "" && bytes.Contains(sealed, []byte(plain)) {
			t.Error("the plaintext shows")
		}
		got, err := open(t, path).Open(sealed, []byte("downloader/1"))
		if err != nil || string(got) != plain {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(plain))
		}
	}
}

func TestTheSameSecretNeverLooksTheSame(t *testing.T) {
	b := open(t, filepath.Join(t.TempDir(), "secret.key"))
	if bytes.Equal(b.Seal([]byte("a"), nil), b.Seal([]byte("a"), nil)) {
		t.Error("two seals of one text are equal")
	}
}

func TestWhatSomebodyTamperedWithDoesNotOpen(t *testing.T) {
	dir := t.TempDir()
	b := open(t, filepath.Join(dir, "secret.key"))
	sealed := b.Seal([]byte("hunter2"), []byte("downloader/1"))
	flipped := func(i int) []byte {
		c := bytes.Clone(sealed)
		c[i] ^= 1
		return c
	}
	tests := []struct {
		name        string
		box         *Box
		sealed, aad []byte
	}{
		{"moved to another record", b, sealed, []byte("downloader/2")},
		{"another key", open(t, filepath.Join(dir, "other.key")), sealed, []byte("downloader/1")},
		{"another version", b, flipped(0), []byte("downloader/1")},
		{"a flipped bit in the nonce", b, flipped(3), []byte("downloader/1")},
		{"a flipped bit in the text", b, flipped(len(sealed) - 1), []byte("downloader/1")},
		{"cut off", b, sealed[:len(sealed)-1], []byte("downloader/1")},
		{"shorter than any", b, sealed[:5], []byte("downloader/1")},
		{"nothing", b, nil, []byte("downloader/1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.box.Open(tt.sealed, tt.aad)
			if !errs.Is(err, errs.Internal) || got != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Error("the error shows the secret")
			}
		})
	}
}

func TestTheKeyFileIsMadeForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret.key")
	open(t, path)
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != KeySize {
		t.Errorf("got %v, %v", info, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("more than the key is left: %v", left)
	}
}

func TestTwoStartsAtOnceAgreeOnOneKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret.key")
	boxes := make([]*Box, 8)
	var wg sync.WaitGroup
	for i := range boxes {
		wg.Go(func() { boxes[i], _ = Open(path) })
	}
	wg.Wait()
	for _, b := range boxes {
		if b == nil {
			t.Fatal("one could not open the key")
		}
		if _, err := boxes[0].Open(b.Seal([]byte("a"), nil), nil); err != nil {
			t.Fatal(err)
		}
	}
}

func TestABadKeyFileIsRefusedWithTheCure(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, mode os.FileMode, size int) string {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(path, make([]byte, size), mode), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct {
		name, path, hint string
		code             errs.Code
	}{
		{"others may read it", file("others", 0o604, KeySize), "chmod 600 " + dir, errs.Forbidden},
		{"the group may read it", file("group", 0o640, KeySize), "chmod 600 " + dir, errs.Forbidden},
		{"too short", file("short", 0o600, KeySize-1), "backup", errs.Unavailable},
		{"too long", file("long", 0o600, KeySize+1), "backup", errs.Unavailable},
		{"a directory", dir, "", errs.Unavailable},
		{"in a directory that does not exist", filepath.Join(dir, "no", "key"), "data directory", errs.Unavailable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Open(tt.path)
			if !errs.Is(err, tt.code) || !strings.Contains(errs.HintOf(err), tt.hint) {
				t.Errorf("got %v (hint %q)", err, errs.HintOf(err))
			}
		})
	}
}
