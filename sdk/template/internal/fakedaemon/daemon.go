// Package fakedaemon is the daemon that the template's plugin is for: a small
// one, but real. It downloads files over HTTP, a few at once, goes on after a
// restart where it was, and is steered by a JSON API. Delete it when your tests
// start the real daemon.
package fakedaemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Version is what the daemon says of itself.
const Version = "1.4.0"

// Options configure a Daemon.
type Options struct {
	// Listen is the address that it listens on, such as "127.0.0.1:0".
	Listen string
	// Token has to come with each request, as "Authorization: Bearer TOKEN".
	Token string
	// StateFile holds what is to survive a restart.
	StateFile string
}

// Daemon downloads files until Close.
type Daemon struct {
	options Options
	server  *http.Server
	address string
	served  sync.WaitGroup

	mu    sync.Mutex // guards what follows
	saved state
	runs  map[int]*run
}

// state is what survives a restart.
type state struct {
	LastID     int               `json:"last_id"`
	MaxRunning int               `json:"max_running"`
	Downloads  map[int]*Download `json:"downloads"`
	Validators map[int]string    `json:"validators"`
}

// Start starts a daemon, which goes on with what its state file holds.
func Start(o Options) (*Daemon, error) {
	d := &Daemon{
		options: o,
		saved:   state{MaxRunning: 3, Downloads: map[int]*Download{}, Validators: map[int]string{}},
		runs:    map[int]*run{},
	}
	if err := d.load(); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	d.address = listener.Addr().String()
	d.server = &http.Server{Handler: d.routes(), ReadHeaderTimeout: 10 * time.Second}
	d.served.Go(func() { _ = d.server.Serve(listener) }) // it ends with Close
	d.mu.Lock()
	defer d.mu.Unlock()
	d.startQueued()
	return d, nil
}

// Address is where it listens, as host:port.
func (d *Daemon) Address() string { return d.address }

// Close ends the daemon as a kill would: nothing is tidied up.
func (d *Daemon) Close() error {
	err := d.server.Close()
	d.served.Wait()
	d.mu.Lock()
	var ending []*run
	for id := range d.runs {
		ending = append(ending, d.halt(id))
	}
	d.mu.Unlock()
	for _, r := range ending {
		r.wait()
	}
	return err
}

func (d *Daemon) load() error {
	raw, err := os.ReadFile(d.options.StateFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	if err := json.Unmarshal(raw, &d.saved); err != nil {
		return fmt.Errorf("read state: %w", err)
	}
	for _, dl := range d.saved.Downloads {
		dl.Rate = 0
		if dl.State == Running {
			dl.State = Queued
		}
	}
	return nil
}

// save writes the state file; the caller holds d.mu.
func (d *Daemon) save() error {
	raw, err := json.Marshal(d.saved)
	if err != nil {
		return err
	}
	temporary := d.options.StateFile + ".new"
	if err := os.WriteFile(temporary, raw, 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, filepath.Clean(d.options.StateFile))
}

// run is the work on one download.
type run struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (r *run) wait() {
	if r != nil {
		<-r.done
	}
}
