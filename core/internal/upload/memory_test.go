package upload

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// memory is a storage that keeps files in memory, and fails as a test wants.
type memory struct {
	// tellsMD5 and keepsTime are what some storages do and others do not.
	tellsMD5, keepsTime, caseless bool
	// refuses reports whether a name is one that the storage cannot hold.
	refuses func(path string) bool
	// before and after are called around each call; an error of before keeps it
	// from having an effect, one of after keeps its answer from arriving.
	before, after func(ctx context.Context, op, path string) error

	mu      sync.Mutex // guards what follows
	files   map[string]stored
	folders map[string]bool
	calls   []string
	atOnce  int
	most    int
}

type stored struct {
	data string
	time time.Time
}

func newMemory(files tree) *memory {
	m := &memory{files: map[string]stored{}, folders: map[string]bool{".": true}}
	for name, content := range files {
		m.store(name, content, time.Unix(1, 0))
	}
	return m
}

func (m *memory) store(name, content string, at time.Time) {
	m.files[name] = stored{content, at}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		m.folders[dir] = true
	}
}

// has returns all files, and the folders that are empty with a slash behind.
func (m *memory) has() tree {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := tree{}
	for name, f := range m.files {
		out[name] = f.data
	}
	for dir := range m.folders {
		if dir != "." && m.emptyFolder(dir) {
			out[dir+"/"] = ""
		}
	}
	return out
}

func (m *memory) emptyFolder(dir string) bool {
	for name := range m.files {
		if strings.HasPrefix(name, dir+"/") {
			return false
		}
	}
	for name := range m.folders {
		if strings.HasPrefix(name, dir+"/") {
			return false
		}
	}
	return true
}

// actual returns the name under which there is a file that a name means.
func (m *memory) actual(name string) string {
	for has := range m.files {
		if m.caseless && strings.EqualFold(has, name) {
			return has
		}
	}
	return name
}

// count returns how often a call was made.
func (m *memory) count(op, name string) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.calls {
		if c == op+" "+name || name == "" && strings.HasPrefix(c, op+" ") {
			n++
		}
	}
	return n
}

// lose forgets a file.
func (m *memory) lose(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
}

func (m *memory) enter(ctx context.Context, op, name string) error {
	if name != path.Clean(name) || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "..") {
		return errors.New("bad path " + name)
	}
	m.mu.Lock()
	m.calls = append(m.calls, op+" "+name)
	m.mu.Unlock()
	if m.before != nil {
		if err := m.before(ctx, op, name); err != nil {
			return err
		}
	}
	if m.refuses != nil && m.refuses(name) {
		return errs.New(errs.NameNotPossible, "")
	}
	return nil
}

func (m *memory) leave(ctx context.Context, op, name string) error {
	if m.after == nil {
		return nil
	}
	return m.after(ctx, op, name)
}

func (m *memory) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	if err := m.enter(ctx, "put", req.Path); err != nil {
		return storage.Object{}, err
	}
	m.mu.Lock()
	m.atOnce++
	m.most = max(m.most, m.atOnce)
	_, exists := m.files[m.actual(req.Path)]
	folder := m.folders[req.Path]
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.atOnce--
		m.mu.Unlock()
	}()
	if exists && !req.Overwrite || folder {
		return storage.Object{}, errs.New(errs.DestinationExists, "")
	}
	data, err := io.ReadAll(io.LimitReader(req.Content, req.Size))
	if err != nil {
		return storage.Object{}, err
	}
	if req.Progress != nil {
		req.Progress(int64(len(data)))
	}
	m.mu.Lock()
	if _, exists := m.files[m.actual(req.Path)]; exists && !req.Overwrite {
		m.mu.Unlock()
		return storage.Object{}, errs.New(errs.DestinationExists, "")
	}
	at := time.Unix(2, 0)
	if m.keepsTime {
		at = req.ModTime
	}
	m.store(req.Path, string(data), at)
	m.calls = append(m.calls, "stored "+req.Path)
	o := m.object(req.Path)
	m.mu.Unlock()
	return o, m.leave(ctx, "put", req.Path)
}

func (m *memory) Stat(ctx context.Context, name string) (storage.Object, error) {
	if err := m.enter(ctx, "stat", name); err != nil {
		return storage.Object{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if has := m.actual(name); m.files[has] != (stored{}) {
		return m.object(has), nil
	}
	if m.folders[name] {
		return storage.Object{Path: name, Dir: true}, nil
	}
	return storage.Object{}, errs.New(errs.NotFound, "")
}

func (m *memory) object(name string) storage.Object {
	f := m.files[name]
	o := storage.Object{Path: name, Size: int64(len(f.data)), ModTime: f.time}
	if m.tellsMD5 {
		sum := md5.Sum([]byte(f.data))
		o.MD5 = hex.EncodeToString(sum[:])
	}
	return o
}

func (m *memory) Remove(ctx context.Context, name string) error {
	if err := m.enter(ctx, "remove", name); err != nil {
		return err
	}
	m.mu.Lock()
	delete(m.files, name)
	busy := m.folders[name] && !m.emptyFolder(name)
	if !busy {
		delete(m.folders, name)
	}
	m.mu.Unlock()
	if busy {
		return errs.New(errs.InUse, "")
	}
	return m.leave(ctx, "remove", name)
}

func (m *memory) Test(context.Context) (downloader.TestResult, error) {
	return downloader.TestResult{}, nil
}

func (m *memory) Space(context.Context) (storage.Space, error) { return storage.Space{}, nil }

// tree is files by path, with their content.
type tree map[string]string

func (tr tree) names() []string {
	names := make([]string, 0, len(tr))
	for name := range tr {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// damaging keeps other bytes than it is given.
type damaging struct{ *memory }

func (d *damaging) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	if _, err := d.memory.Put(ctx, req); err != nil {
		return storage.Object{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.store(req.Path, strings.Repeat("?", int(req.Size)), req.ModTime)
	return d.object(req.Path), nil
}
