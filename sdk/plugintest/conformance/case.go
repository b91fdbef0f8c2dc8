package conformance

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// testCase is one thing that the contract asks for.
type testCase struct {
	name string
	// expected is a sentence.
	expected string
	try      func(*C)

	// The case is skipped without these.
	kind       downloader.SourceKind
	capability downloader.Capability
	process    bool                 // the plugin is an executable
	hook       func(Options) string // says why not
	always     bool                 // whatever was asked for
}

// perKind makes a case for each kind of source that the suite serves itself.
func perKind(k testCase) []testCase {
	var out []testCase
	for _, kind := range []downloader.SourceKind{downloader.SourceHTTP, downloader.SourceTorrent} {
		one := k
		one.name, one.kind = k.name+"/"+string(kind), kind
		out = append(out, one)
	}
	return out
}

// C is a case under way. It belongs to one goroutine.
type C struct {
	testCase
	*suite
	ctx context.Context

	dir      string // of its own, in the work directory
	jobs     int
	mu       sync.Mutex // guards cleanups
	cleanups []func(context.Context)
}

// ended is what a case panics with to end early.
type ended struct {
	outcome Outcome
	seen    string
}

const cleanupTimeout = 20 * time.Second

// run tries the case and cleans up after it.
func (c *C) run() (outcome Outcome, seen string) {
	defer c.cleanUp()
	defer func() {
		switch v := recover().(type) {
		case nil:
		case ended:
			outcome, seen = v.outcome, v.seen
		default:
			outcome, seen = Failed, fmt.Sprintf("It panics: %v\n%s", v, debug.Stack())
		}
	}()
	c.try(c)
	return Passed, ""
}

// cleanUp runs in a context of its own: the case may have used its time up.
func (c *C) cleanUp() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), cleanupTimeout)
	defer cancel()
	for i := len(c.cleanups) - 1; i >= 0; i-- {
		c.cleanups[i](ctx)
	}
	if c.dir != "" {
		// What another user's daemon wrote may stay; that is the caller's directory.
		_ = os.RemoveAll(c.dir)
	}
}

func (c *C) onCleanup(f func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cleanups = append(c.cleanups, f)
}

// failf ends the case with what was seen.
func (c *C) failf(format string, args ...any) {
	panic(ended{Failed, fmt.Sprintf(format, args...)})
}

// skipf ends the case with why it cannot be tried.
func (c *C) skipf(format string, args ...any) {
	panic(ended{Skipped, fmt.Sprintf(format, args...)})
}

// must ends the case when something that has to succeed did not.
func (c *C) must(what string, err error) {
	if err != nil {
		c.failf("%s: %s.", what, c.describe(err))
	}
}

// mustOwn is must for what is the suite's own, such as its directories.
func (c *C) mustOwn(err error) {
	if err != nil {
		c.failf("The suite itself is in trouble: %v.", err)
	}
}

// describe puts an error into words, and notes it for the search for secrets.
func (c *C) describe(err error) string {
	if err == nil {
		return "no error"
	}
	c.note(err)
	return fmt.Sprintf("error %s (%s)", errs.CodeOf(err), strings.TrimSuffix(errs.MessageOf(err), "."))
}

// within returns a context for one call.
func (c *C) within(d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(c.ctx, d)
	c.onCleanup(func(context.Context) { cancel() })
	return ctx
}

// eventually waits until ok says so.
func (c *C) eventually(limit time.Duration, ok func() bool) bool {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); {
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			c.failf("It took longer than the case may.")
		}
		if time.Now().After(deadline) {
			return ok()
		}
	}
	return true
}

// during watches that ok holds for a time.
func (c *C) during(d time.Duration, ok func() bool) bool {
	return !c.eventually(d, func() bool { return !ok() })
}

// ownDir returns the case's directory.
func (c *C) ownDir() string {
	if c.dir == "" {
		dir := filepath.Join(c.root, strings.ReplaceAll(c.name, "/", "-"))
		c.mustOwn(os.Mkdir(dir, 0o700))
		c.mustOwn(openToDaemon(dir))
		c.dir = dir
	}
	return c.dir
}

// openToDaemon lets a daemon write that runs as another user. Who may come near
// the directory at all is up to those above it.
func openToDaemon(dir string) error {
	return os.Chmod(dir, 0o777)
}

// hasCode ends the case unless err has one of the codes.
func (c *C) hasCode(what string, err error, codes ...errs.Code) {
	c.note(err)
	var wanted []string
	for _, code := range codes {
		if errs.Is(err, code) {
			return
		}
		wanted = append(wanted, string(code))
	}
	c.failf("%s: %s, not %s.", what, c.describe(err), strings.Join(wanted, " or "))
}

// isDowntime reports whether err says that the whole downloader is in trouble.
func isDowntime(err error) bool {
	switch errs.CodeOf(err) {
	case errs.DownloaderUnreachable, errs.Unavailable:
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}
