package driver

import (
	"context"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/plugintest"
)

// TestTheContract holds the plugin against everything that haul expects of one;
// "haul plugin verify" does the same with the executable.
func TestTheContract(t *testing.T) {
	daemon := startDaemon(t)
	plugintest.Run(t, plugintest.Options{
		New:      func() downloader.Plugin { return New() },
		Settings: daemon.settings(),
		RestartDaemon: func(context.Context) error {
			if err := daemon.Close(); err != nil {
				return err
			}
			return daemon.tryStart()
		},
	})
}
