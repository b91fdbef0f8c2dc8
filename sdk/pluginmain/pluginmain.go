// Package pluginmain is the main function of a plugin: it serves a
// downloader.Plugin or a storage.Plugin to the haul that started the process,
// and ends with it.
package pluginmain

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/storage"
	"github.com/haul-dl/haul/sdk/storagewire"
	"github.com/haul-dl/haul/sdk/wire"
)

const (
	// maxMessage is the largest message that haul may send, in bytes: a torrent
	// of 10 MiB comes as a part of one.
	maxMessage = 64 << 20
	// grace is how long calls may go on when the process ends without a Drain.
	grace = 500 * time.Millisecond
	// endTimeout is how long the process may take to end in all.
	endTimeout = 4 * time.Second
)

// Serve serves p until haul ends the process, or is gone. It returns or exits
// the process only after the driver's Close. A plugin's main is one call of it.
//
// Log with Config.Logger, or to stderr; stdout belongs to the handshake.
func Serve(p downloader.Plugin) {
	logger := begin(wire.Handshake)
	server := wire.NewServer(p, logger)
	serve(server, logger, wire.Handshake, wire.VersionedPlugins(server))
}

// ServeStorage is Serve for a plugin of storages.
func ServeStorage(p storage.Plugin) {
	logger := begin(storagewire.Handshake)
	server := storagewire.NewServer(p, logger)
	serve(server, logger, storagewire.Handshake, storagewire.VersionedPlugins(server))
}

// begin exits the process where haul has not started it for this contract.
func begin(handshake plugin.HandshakeConfig) hclog.Logger {
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		explain(os.Stderr, filepath.Base(os.Args[0]))
		os.Exit(2)
	}
	return newLogger()
}

// closer is the server of one contract.
type closer interface {
	Close(ctx context.Context, grace time.Duration) error
}

func serve(server closer, logger hclog.Logger, handshake plugin.HandshakeConfig, sets map[int]plugin.PluginSet) {
	end := sync.OnceFunc(func() { closeServer(server, logger) })
	watchHost(logger, func(reason string) {
		logger.Debug("plugin ends", "reason", reason)
		end()
		os.Exit(0)
	})
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: sets,
		GRPCServer:       newGRPCServer,
		Logger:           logger,
	})
	end()
}

// explain tells somebody who runs the plugin by hand what it is.
func explain(w io.Writer, name string) {
	_, _ = fmt.Fprintf(w, `%s is a plugin of haul, which starts it by itself.
Put it into one of haul's plugin directories (haul serve --plugins DIR), then see it with: haul plugin ls
`, name)
}

// newLogger writes what haul can read and re-log at its own level.
func newLogger() hclog.Logger {
	level := hclog.LevelFromString(os.Getenv("HAUL_LOG_LEVEL"))
	if level == hclog.NoLevel {
		level = hclog.Debug
	}
	return hclog.New(&hclog.LoggerOptions{Level: level, Output: os.Stderr, JSONFormat: true})
}

func newGRPCServer(opts []grpc.ServerOption) *grpc.Server {
	return grpc.NewServer(append(opts,
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
	)...)
}

// closeServer closes the driver. It does not wait longer than endTimeout: a
// driver that hangs must not keep the process alive.
func closeServer(server closer, logger hclog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	closed := make(chan error, 1)
	go func() { closed <- server.Close(ctx, grace) }()
	select {
	case err := <-closed:
		if err != nil {
			logger.Warn("plugin did not end cleanly", "err", err)
		}
	case <-ctx.Done():
		logger.Error("driver did not close in time")
	}
}
