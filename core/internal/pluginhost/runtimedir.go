package pluginhost

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/errs"
)

// maxSocketPath is what a unix socket's address holds on every system that we know.
const maxSocketPath = 103

// socketSuffix is as long as what the library may put below a process's
// directory: a directory and a socket, each with a random number.
const socketSuffix = len("/p-999999/plugin-dir4294967295/plugin4294967295")

// staleWait is how long New waits for one leftover process to end.
const staleWait = 2 * time.Second

var processDirName = regexp.MustCompile(`^p-[0-9]+$`)

// runtimeDir hands out one directory for each process, and knows after a crash
// of the host which processes it had.
//
//	RuntimeDir/lock        held while the host lives
//	RuntimeDir/p-7/pid     processID of the process
//	RuntimeDir/p-7/...     its socket, and its working directory
type runtimeDir struct {
	root    string
	sockets string // root, or a shorter path where root is too long for a socket
	lock    *os.File

	mu   sync.Mutex // guards next
	next int
}

// processDir is what one process has.
type processDir struct {
	root    string // its pid file, its working directory
	sockets string
}

func (d processDir) pidFile() string { return filepath.Join(d.root, "pid") }

func (d processDir) remove() error {
	return errors.Join(os.RemoveAll(d.root), os.RemoveAll(d.sockets))
}

// openRuntimeDir makes the directory, locks it, and ends and removes what an
// earlier host left in it.
func openRuntimeDir(root string, log hclog.Logger) (_ *runtimeDir, err error) {
	if err := makePrivate(root); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(root, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock of runtime directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, lock.Close())
		}
	}()
	if err := lockFile(lock); err != nil {
		return nil, errs.Wrap(err, errs.InUse, "another haul uses the runtime directory %s", root)
	}
	d := &runtimeDir{root: root, sockets: root, lock: lock}
	if len(root)+socketSuffix > maxSocketPath {
		if d.sockets, err = shortSocketDir(root); err != nil {
			return nil, err
		}
	}
	if err := d.sweep(log); err != nil {
		return nil, err
	}
	return d, nil
}

// shortSocketDir returns a private directory for sockets whose name follows
// from root, so that the next host finds what this one leaves.
func shortSocketDir(root string) (string, error) {
	sum := sha256.Sum256([]byte(root))
	dir := filepath.Join(os.TempDir(), "haul-"+hex.EncodeToString(sum[:6]))
	if len(dir)+socketSuffix > maxSocketPath {
		return "", errs.New(errs.InvalidRequest,
			"the runtime directory %s is too long for a socket's path, and so is the one for temporary files", root).
			WithHint("Choose a runtime directory of at most %d bytes.", maxSocketPath-socketSuffix)
	}
	return dir, makePrivate(dir)
}

// makePrivate makes dir with mode 0700, or checks that it is ours alone.
func makePrivate(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return fmt.Errorf("make runtime directory: %w", err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("make runtime directory: %w", err)
	}
	fi, err := os.Lstat(dir)
	if err != nil {
		return fmt.Errorf("make runtime directory: %w", err)
	}
	uid, known := ownerOf(fi)
	if !fi.IsDir() || fi.Mode()&fs.ModeSticky != 0 || known && uid != os.Getuid() {
		return errs.New(errs.InvalidRequest, "the runtime directory %s is shared with others", dir).
			WithHint("Choose a directory of haul's own.")
	}
	if fi.Mode().Perm() != 0o700 {
		if err := os.Chmod(dir, 0o700); err != nil {
			return fmt.Errorf("make runtime directory private: %w", err)
		}
	}
	return nil
}

// sweep kills the processes and removes the directories of an earlier host.
func (d *runtimeDir) sweep(log hclog.Logger) error {
	var failed []error
	for _, root := range d.roots() {
		entries, err := os.ReadDir(root)
		if err != nil {
			return fmt.Errorf("read runtime directory: %w", err)
		}
		for _, e := range entries {
			if !processDirName.MatchString(e.Name()) {
				continue
			}
			dir := filepath.Join(root, e.Name())
			failed = append(failed, sweepProcess(dir, log), os.RemoveAll(dir))
		}
	}
	return errors.Join(failed...)
}

func sweepProcess(dir string, log hclog.Logger) error {
	id, err := readProcessID(filepath.Join(dir, "pid"))
	if err != nil {
		// A file that was not written to its end names nobody.
		return nil //nolint:nilerr // see above
	}
	killed, err := killStale(id, staleWait)
	if killed {
		log.Warn("killed a plugin that an earlier haul left", "pid", id.PID, "path", id.Exe)
	}
	return err
}

func (d *runtimeDir) roots() []string {
	if d.sockets == d.root {
		return []string{d.root}
	}
	return []string{d.root, d.sockets}
}

// make makes the directory of one more process.
func (d *runtimeDir) make() (processDir, error) {
	d.mu.Lock()
	d.next++
	name := "p-" + strconv.Itoa(d.next)
	d.mu.Unlock()
	for _, root := range d.roots() {
		if err := os.Mkdir(filepath.Join(root, name), 0o700); err != nil {
			return processDir{}, fmt.Errorf("make directory of plugin process: %w", err)
		}
	}
	return processDir{root: filepath.Join(d.root, name), sockets: filepath.Join(d.sockets, name)}, nil
}

// close lets the lock go and removes what is empty.
func (d *runtimeDir) close() error {
	err := errors.Join(os.Remove(d.lock.Name()), d.lock.Close())
	if d.sockets != d.root {
		err = errors.Join(err, os.Remove(d.sockets))
	}
	return err
}

// processID names a process for good: its number alone is used again.
type processID struct {
	PID   int    `json:"pid"`
	Start uint64 `json:"start"`
	Exe   string `json:"exe"`
}

// identify returns the identity of a process that runs.
func identify(pid int) (processID, error) {
	start, err := startTime(pid)
	if err != nil {
		return processID{}, err
	}
	exe, err := exeOf(pid)
	if err != nil {
		return processID{}, fmt.Errorf("read binary of process: %w", err)
	}
	return processID{PID: pid, Start: start, Exe: exe}, nil
}

// alive reports whether the very process still runs.
func (id processID) alive() bool {
	now, err := identify(id.PID)
	return err == nil && id.PID > 1 && now == id
}

func writeProcessID(path string, id processID) error {
	b, err := json.Marshal(id)
	if err != nil {
		return err
	}
	return os.WriteFile(path, b, 0o600)
}

func readProcessID(path string) (processID, error) {
	var id processID
	b, err := os.ReadFile(path)
	if err != nil {
		return id, err
	}
	err = json.Unmarshal(b, &id)
	return id, err
}
