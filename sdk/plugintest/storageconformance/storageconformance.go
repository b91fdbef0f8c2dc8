// Package storageconformance tries whether a storage keeps the contract of
// package storage.
package storageconformance

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// limit is how long one case may take.
const limit = 2 * time.Minute

// bigSize is more than any plugin sends at once.
const bigSize = 24<<20 + 17

// Factory makes a driver of an empty storage. It is called once for each case,
// and cleans up after itself by t.
type Factory func(t *testing.T) storage.Driver

var cases = []struct {
	name string
	try  func(t *testing.T, s suite)
}{
	{"a file is there after it was put, and gone after it was removed", putStatRemove},
	{"the folders above a file are made", putIntoFolders},
	{"an empty file is a file", putEmpty},
	{"a file that exists is not replaced", putExisting},
	{"a file that exists is replaced where that is wanted", putOverwrite},
	{"a folder is not replaced", putOverFolder},
	{"a file that was cut off is not seen", putCut},
	{"a file that was cut off can be put again", putAfterCut},
	{"the old file stays where the new one was cut off", overwriteCut},
	{"a put that is given up ends", putCanceled},
	{"a big file is stored whole, with progress", putBig},
	{"odd names are kept, or refused", putOddNames},
	{"puts at the same time do not get into each other's way", putAtOnce},
	{"what is not there is not found", statMissing},
	{"removing what is gone succeeds", removeMissing},
	{"a folder that is not empty is not removed", removeFullFolder},
	{"a test of a storage that is well finds nothing", test},
	{"the space is told, or not offered", space},
}

// Run tries the storage and makes a subtest of each case.
func Run(t *testing.T, driver Factory) {
	t.Helper()
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			c.try(t, suite{Driver: driver(t), ctx: ctx})
		})
	}
}

// suite is one storage that is tried.
type suite struct {
	storage.Driver
	ctx context.Context //nolint:containedctx // it lives as long as one case
}

// content returns bytes that are like no others.
func content(size int) []byte {
	out := make([]byte, size)
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], uint64(max(0, size)))
	source := rand.NewChaCha8(seed)
	_, _ = source.Read(out) // never fails
	return out
}

func (s suite) put(t *testing.T, path string, data []byte, overwrite bool) {
	t.Helper()
	o, err := s.Put(s.ctx, request(path, data, overwrite))
	if err != nil {
		t.Fatalf("put %q: %v", path, err)
	}
	if o.Path != path || o.Dir || o.Size != int64(len(data)) {
		t.Fatalf("put %q of %d bytes: got %+v", path, len(data), o)
	}
	checkHashes(t, o, data)
}

func request(path string, data []byte, overwrite bool) storage.PutRequest {
	return storage.PutRequest{
		Path: path, Size: int64(len(data)), ModTime: time.Date(2020, 2, 29, 12, 0, 0, 0, time.UTC),
		Overwrite: overwrite, Content: bytes.NewReader(data),
	}
}

// has checks that the storage has that file. Hashes that it does not know it
// does not tell; the size it must.
func (s suite) has(t *testing.T, path string, data []byte) {
	t.Helper()
	o, err := s.Stat(s.ctx, path)
	if err != nil {
		t.Fatalf("stat %q: %v", path, err)
	}
	if o.Dir || o.Size != int64(len(data)) || o.Path != path {
		t.Fatalf("stat %q: got %+v, want a file of %d bytes", path, o, len(data))
	}
	checkHashes(t, o, data)
}

func (s suite) hasNot(t *testing.T, path string) {
	t.Helper()
	if o, err := s.Stat(s.ctx, path); !errs.Is(err, errs.NotFound) {
		t.Fatalf("stat %q: got %+v, %v, want %s", path, o, err, errs.NotFound)
	}
}

var errCut = errors.New("the content was cut off")

// cut is content that ends with errCut half-way.
func cut(data []byte) io.Reader {
	return io.MultiReader(bytes.NewReader(data[:len(data)/2]), failing{})
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

// together runs n functions at once and waits for all.
func together(n int, fn func(i int) error) error {
	var all sync.WaitGroup
	failed := make([]error, n)
	for i := range n {
		all.Go(func() {
			if err := fn(i); err != nil {
				failed[i] = fmt.Errorf("%d: %w", i, err)
			}
		})
	}
	all.Wait()
	return errors.Join(failed...)
}
