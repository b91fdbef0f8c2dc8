// Command testservers is a server of S3's protocol for tests: versitygw, with
// its files below a directory, so that a restarted one has them still.
//
// It is a module of its own: nothing of haul depends on it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

const (
	region      = "us-east-1"
	connections = 1000 // and requests at once
)

func main() {
	var address, dir string
	flag.StringVar(&address, "address", "", "where to listen, such as 127.0.0.1:9000")
	flag.StringVar(&dir, "dir", "", "where buckets and their files are kept")
	flag.Parse()
	if err := serve(address, dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve runs until SIGTERM. Its key is in S3_ACCESS_KEY and S3_SECRET_KEY.
func serve(address, dir string) error {
	buckets, sidecar := filepath.Join(dir, "buckets"), filepath.Join(dir, "sidecar")
	if err := errors.Join(os.MkdirAll(buckets, 0o755), os.MkdirAll(sidecar, 0o755)); err != nil {
		return err
	}
	// Not every file system of a test has extended attributes.
	attributes, err := meta.NewSideCar(sidecar)
	if err != nil {
		return err
	}
	backend, err := posix.New(buckets, attributes, posix.PosixOpts{SideCarDir: sidecar, ValidateBucketNames: true})
	if err != nil {
		return err
	}
	defer backend.Shutdown()
	root := auth.Account{Access: os.Getenv("S3_ACCESS_KEY"), Secret: os.Getenv("S3_SECRET_KEY"), Role: auth.RoleAdmin}
	server, err := s3api.New(wholeOnly{backend}, middlewares.RootUserConfig{Access: root.Access, Secret: root.Secret}, region,
		auth.NewIAMServiceSingle(root), nil, nil, nil, nil, s3api.WithQuiet(), s3api.WithConcurrencyLimiter(connections, connections), s3api.WithHealth("/health"), s3api.WithKeepAlive())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	done := make(chan error, 1)
	go func() { done <- server.ServeMultiPort([]string{address}) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return server.ShutDown()
	}
}
