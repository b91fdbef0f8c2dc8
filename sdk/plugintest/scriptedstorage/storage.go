package scriptedstorage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// Storage keeps files in memory. It implements storage.Driver.
type Storage struct {
	settings Settings

	mu      sync.Mutex // guards what follows
	files   map[string]file
	folders map[string]bool
	puts    int
}

type file struct {
	content []byte
	modTime time.Time
}

var _ storage.Driver = (*Storage)(nil)

// New makes an empty storage.
func New(s Settings) *Storage {
	return &Storage{settings: s, files: map[string]file{}, folders: map[string]bool{}}
}

// Names returns the paths of all files, sorted.
func (s *Storage) Names() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.files))
}

// Content returns what a file has, nil where there is none.
func (s *Storage) Content(name string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.files[name].content)
}

// Lose forgets a file that it has taken.
func (s *Storage) Lose(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
}

// Put implements storage.Driver.
func (s *Storage) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	n, err := s.begin(ctx, req)
	if err != nil {
		return storage.Object{}, err
	}
	if n == s.settings.CrashPut {
		os.Exit(3)
	}
	if n == s.settings.FailPut {
		return storage.Object{}, errs.New(errs.StorageUnreachable, "The storage fails put %d, as it was told.", n)
	}
	if n == s.settings.CutPut {
		_, _ = io.CopyN(io.Discard, req.Content, req.Size/2) // its errors make no difference
		return storage.Object{}, errs.New(errs.StorageError, "The storage cuts put %d off, as it was told.", n)
	}
	content, err := readAll(req)
	if err != nil {
		return storage.Object{}, err
	}
	f := file{content: content, modTime: req.ModTime}
	if n == s.settings.LosePut {
		return f.object(req.Path), nil
	}
	return s.keep(req, f)
}

// begin counts a Put and looks whether it can succeed.
func (s *Storage) begin(ctx context.Context, req storage.PutRequest) (n int, err error) {
	if err := s.refuse(); err != nil {
		return 0, err
	}
	if d := s.settings.DelayMS; d > 0 {
		select {
		case <-time.After(time.Duration(d) * time.Millisecond):
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	return s.puts, s.fits(req)
}

// fits reports why a file cannot be kept. The caller holds mu.
func (s *Storage) fits(req storage.PutRequest) error {
	if s.folders[req.Path] {
		return errs.New(errs.DestinationExists, "A folder has that name.")
	}
	if _, ok := s.files[req.Path]; ok && !req.Overwrite {
		return errs.New(errs.DestinationExists, "A file has that name.")
	}
	for dir := path.Dir(req.Path); dir != "."; dir = path.Dir(dir) {
		if _, ok := s.files[dir]; ok {
			return errs.New(errs.DestinationExists, "A file has the name of a folder above.")
		}
	}
	if s.settings.Capacity > 0 && s.used()+req.Size > s.settings.Capacity {
		return errs.New(errs.OutOfSpace, "The storage is full.")
	}
	return nil
}

func readAll(req storage.PutRequest) ([]byte, error) {
	content := make([]byte, 0, req.Size)
	for buf := make([]byte, 64<<10); ; {
		n, err := req.Content.Read(buf)
		content = append(content, buf[:n]...)
		if req.Progress != nil {
			req.Progress(int64(len(content)))
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	if int64(len(content)) != req.Size {
		return nil, errs.New(errs.FilesChanged, "The file has %d bytes instead of %d.", len(content), req.Size)
	}
	return content, nil
}

// keep shows the file, whole.
func (s *Storage) keep(req storage.PutRequest, f file) (storage.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.fits(req); err != nil {
		return storage.Object{}, err
	}
	s.files[req.Path] = f
	for dir := path.Dir(req.Path); dir != "."; dir = path.Dir(dir) {
		s.folders[dir] = true
	}
	return f.object(req.Path), nil
}

func (f file) object(name string) storage.Object {
	sum := sha256.Sum256(f.content)
	return storage.Object{Path: name, Size: int64(len(f.content)), SHA256: hex.EncodeToString(sum[:]), ModTime: f.modTime}
}

// Stat implements storage.Driver.
func (s *Storage) Stat(_ context.Context, name string) (storage.Object, error) {
	if err := s.refuse(); err != nil {
		return storage.Object{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if f, ok := s.files[name]; ok {
		return f.object(name), nil
	}
	if s.folders[name] || name == "." {
		return storage.Object{Path: name, Dir: true}, nil
	}
	return storage.Object{}, errs.New(errs.NotFound, "The storage has nothing of that name.")
}

// Remove implements storage.Driver.
func (s *Storage) Remove(_ context.Context, name string) error {
	if err := s.refuse(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	within := func(of string) bool { return strings.HasPrefix(of, name+"/") }
	for _, of := range slices.Concat(slices.Collect(maps.Keys(s.files)), slices.Collect(maps.Keys(s.folders))) {
		if within(of) {
			return errs.New(errs.InUse, "The folder is not empty.")
		}
	}
	delete(s.files, name)
	delete(s.folders, name)
	return nil
}

// Test implements storage.Driver.
func (s *Storage) Test(context.Context) (downloader.TestResult, error) {
	return downloader.TestResult{Version: "scripted", Checks: []downloader.TestCheck{
		{Name: "reachable", Message: "It is in this process."},
		{Name: "credentials", Message: "The token was looked at.", Err: s.refuse()},
	}}, nil
}

// Space implements storage.Driver.
func (s *Storage) Space(context.Context) (storage.Space, error) {
	if s.settings.Capacity == 0 {
		return storage.Space{}, errs.New(errs.NotOffered, "The storage has no limit.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return storage.Space{Free: s.settings.Capacity - s.used(), Total: s.settings.Capacity}, nil
}

// used is what all files need. The caller holds mu.
func (s *Storage) used() int64 {
	var sum int64
	for _, f := range s.files {
		sum += int64(len(f.content))
	}
	return sum
}

func (s *Storage) refuse() error {
	if s.settings.Token == "wrong" {
		return errs.New(errs.StorageAuthFailed, "The storage does not know the token.")
	}
	return nil
}
