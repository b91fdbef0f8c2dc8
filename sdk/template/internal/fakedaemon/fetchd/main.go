// Command fetchd runs the template's daemon, to try the plugin by hand.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"example.org/haul-downloader-fetchd/internal/fakedaemon"
)

func main() {
	var o fakedaemon.Options
	flag.StringVar(&o.Listen, "listen", "127.0.0.1:7700", "the `address` to listen on")
	flag.StringVar(&o.Token, "token", "s3cret", "the token that has to come with each request")
	flag.StringVar(&o.StateFile, "state", "fetchd.json", "the `file` that holds what survives a restart")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "fetchd:", err)
		os.Exit(1)
	}
}

func run(o fakedaemon.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	d, err := fakedaemon.Start(o)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "fetchd listens at", "http://"+d.Address())
	<-ctx.Done()
	return d.Close()
}
