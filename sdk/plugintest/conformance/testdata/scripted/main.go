// Command scripted is the scripted downloader as an executable, with the fault
// that SCRIPTED_FAULT names.
package main

import (
	"context"
	"os"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/pluginmain"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func main() {
	var p downloader.Plugin = scripted.New(scripted.Options{Load: true})
	switch os.Getenv("SCRIPTED_FAULT") {
	case "descriptors":
		p = leaking{p}
	case "exit":
		p = exiting{p}
	}
	pluginmain.Serve(p)
}

// leaking opens a file at each Check, for ever.
type leaking struct{ downloader.Plugin }

// Configure implements downloader.Plugin.
func (l leaking) Configure(ctx context.Context, cfg downloader.Config) (downloader.Driver, error) {
	d, err := l.Plugin.Configure(ctx, cfg)
	return &leakingDriver{Driver: d}, err
}

type leakingDriver struct {
	downloader.Driver
	held []*os.File
}

// Check implements downloader.Driver.
func (d *leakingDriver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	d.held = append(d.held, f)
	return d.Driver.Check(ctx, refs)
}

// exiting ends its process when it is configured.
type exiting struct{ downloader.Plugin }

// Configure implements downloader.Plugin.
func (exiting) Configure(context.Context, downloader.Config) (downloader.Driver, error) {
	os.Exit(3)
	return nil, nil
}
