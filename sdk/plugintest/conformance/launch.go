package conformance

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// launcher starts a plugin, which logs to said.
type launcher func(ctx context.Context, said *transcript) (*session, error)

// session is one start of a plugin. It is ended once, by end or crash, which both
// wait until it is over.
type session struct {
	plugin downloader.Plugin
	// pid is that of the process, 0 without one.
	pid int
	// end ends it in an orderly way; driver is nil if it was not configured.
	end func(ctx context.Context, driver downloader.Driver) error
	// crash ends it without warning, where there is a process to end.
	crash func(ctx context.Context, driver downloader.Driver)
}

// inProcess has nothing to start; its drivers are closed.
func inProcess(plugin func() downloader.Plugin) launcher {
	return func(context.Context, *transcript) (*session, error) {
		return &session{
			plugin: plugin(),
			end:    closeDriver,
			crash:  func(ctx context.Context, d downloader.Driver) { _ = closeDriver(ctx, d) },
		}, nil
	}
}

func closeDriver(ctx context.Context, d downloader.Driver) error {
	closer, ok := d.(downloader.Closer)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	return closer.Close(ctx)
}

// startTimeout is how long a process may take to its handshake, and again to its
// first answer.
const startTimeout = 10 * time.Second
