package conformance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// maxActive is what the plugin is told of how many jobs may run at once.
const maxActive = 200

// suite is one run over a plugin.
type suite struct {
	opts    Options
	id      string // of this run; everything that the daemon gets to see begins with it
	root    string // of this run, in the work directory
	private string // state directories and sockets
	launch  launcher
	sources *sources
	said    *transcript
	count   atomic.Int64 // of instances and jobs

	// What follows is set by the first case, and only read afterwards.
	main     *instance
	desc     downloader.Description
	settings *schema.Schema

	mu     sync.Mutex // guards what follows
	canary []string
}

func newSuite(o Options) (_ *suite, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &suite{opts: o, id: "verify-" + strings.ToLower(rand.Text()[:8]), said: &transcript{}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	s.root = filepath.Join(o.WorkDir, s.id)
	if err := os.Mkdir(s.root, 0o700); err != nil {
		return nil, fmt.Errorf("make a directory to work in: %w", err)
	}
	if err := openToDaemon(s.root); err != nil {
		return nil, fmt.Errorf("open the work directory to the daemon: %w", err)
	}
	if s.private, err = os.MkdirTemp("", "haul"); err != nil { // short: sockets go there
		return nil, fmt.Errorf("make a directory for the plugin: %w", err)
	}
	if s.sources, err = newSources(); err != nil {
		return nil, fmt.Errorf("serve sources: %w", err)
	}
	s.launch = inProcess(o.New)
	if o.Path != "" {
		s.launch = executable(o.Path, o.Env, s.private)
	}
	return s, nil
}

// close ends what still runs and removes what was made.
func (s *suite) close() {
	ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
	defer cancel()
	if s.main != nil {
		s.main.end(ctx)
	}
	if s.sources != nil {
		s.sources.close()
	}
	for _, dir := range []string{s.root, s.private} {
		if dir != "" {
			_ = os.RemoveAll(dir) // what another user's daemon wrote may stay
		}
	}
}

// newID returns an id that nothing had before.
func (s *suite) newID() string { return fmt.Sprintf("%s-%d", s.id, s.count.Add(1)) }

// note keeps an error for the search for secrets.
func (s *suite) note(err error) {
	if err == nil {
		return
	}
	s.said.add(err.Error())
	if e, ok := errors.AsType[*errs.Error](err); ok {
		s.said.add(e.Msg + " " + e.Hint)
		for _, f := range e.Fields {
			s.said.add(f.Name + " " + f.Message)
		}
	}
}

// daemonPath is a path below the work directory as the daemon sees it.
func (s *suite) daemonPath(path string) string {
	if s.opts.DaemonDir == s.opts.WorkDir {
		return path
	}
	rel := strings.TrimPrefix(path, s.opts.WorkDir)
	return s.opts.DaemonDir + filepath.ToSlash(rel)
}

// instance is a plugin that is configured as one downloader. It survives
// restarts of the plugin.
type instance struct {
	suite    *suite
	id       string
	stateDir string
	settings []byte

	session *session
	driver  downloader.Driver
}

const (
	configureTimeout = 30 * time.Second
	drainTimeout     = 10 * time.Second
)

// start starts a plugin and configures it. The caller ends it.
func (s *suite) start(ctx context.Context, settings []byte) (*instance, error) {
	in := &instance{suite: s, id: s.newID(), settings: settings}
	in.stateDir = filepath.Join(s.private, in.id)
	if err := os.Mkdir(in.stateDir, 0o700); err != nil {
		return nil, err
	}
	return in, in.open(ctx)
}

func (in *instance) open(ctx context.Context) error {
	session, err := in.suite.launch(ctx, in.suite.said)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, configureTimeout)
	defer cancel()
	driver, err := session.plugin.Configure(limited, downloader.Config{
		DownloaderID: in.id, Settings: in.settings, StateDir: in.stateDir, MaxActive: maxActive, Logger: in.suite.said.logger(),
	})
	if err != nil {
		in.suite.note(session.end(ctx, nil))
		return err
	}
	in.session, in.driver = session, driver
	return nil
}

// end ends the plugin in an orderly way.
func (in *instance) end(ctx context.Context) {
	if in.session == nil {
		return
	}
	in.suite.note(in.session.end(ctx, in.driver))
	in.session, in.driver = nil, nil
}

// restart ends the plugin as a crash does, as far as that can be had, and starts
// it again.
func (in *instance) restart(ctx context.Context) error {
	in.session.crash(ctx, in.driver)
	in.session, in.driver = nil, nil
	return in.open(ctx)
}

// ready waits until the daemon answers.
func (in *instance) ready(ctx context.Context, limit time.Duration) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); ; {
		limited, cancel := context.WithTimeout(ctx, checkTimeout)
		_, err := in.driver.Check(limited, []downloader.Ref{{JobID: in.suite.id + "-nobody"}})
		cancel()
		if err == nil || !isDowntime(err) || time.Now().After(deadline) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// instance starts a plugin of the case's own.
func (c *C) instance(settings []byte) *instance {
	in, err := c.start(c.ctx, settings)
	c.must("Configure", err)
	c.onCleanup(in.end)
	return in
}
