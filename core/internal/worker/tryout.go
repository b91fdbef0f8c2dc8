package worker

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/core/internal/worker/folderprobe"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// TestDownloader implements core.Session.
func (s *session) TestDownloader(ctx context.Context, d core.DesiredDownloader) (downloader.TestResult, error) {
	result, err := s.node.testDownloader(ctx, d)
	if err != nil && downloaderCodes[errs.CodeOf(err)] && ctx.Err() == nil {
		return downloader.TestResult{Checks: []downloader.TestCheck{{Name: "plugin", Message: errs.MessageOf(err), Err: err}}}, nil
	}
	return result, err
}

// testAsked asks for a test of a downloader.
type testAsked struct {
	ctx   context.Context
	want  core.DesiredDownloader
	reply chan testReply // has room for the answer
}

type testReply struct {
	result downloader.TestResult
	err    error
}

// testDownloader has a test made, and waits for it.
func (n *Node) testDownloader(ctx context.Context, d core.DesiredDownloader) (downloader.TestResult, error) {
	reply := make(chan testReply, 1)
	if !n.post(testAsked{ctx, d, reply}) {
		return downloader.TestResult{}, errStopped()
	}
	select {
	case r := <-reply:
		return r.result, r.err
	case <-n.ended:
		return downloader.TestResult{}, errStopped()
	case <-ctx.Done():
		return downloader.TestResult{}, ctx.Err()
	}
}

// onTestAsked begins a test: with the running plugin if it has these very
// settings, else with a process of its own.
func (n *Node) onTestAsked(e testAsked) {
	b := n.backend(e.want.ID)
	var inst Instance
	if b != nil && b.running && sameSpec(b.spec(), specOf(e.want)) {
		inst = b.inst
	}
	n.tests.Go(func() {
		ctx, cancel := context.WithCancel(e.ctx)
		defer cancel()
		defer context.AfterFunc(n.ctx, cancel)()
		var r testReply
		try := func(ctx context.Context, d downloader.Driver) (err error) {
			r.result, err = n.try(ctx, d, e.want)
			return err
		}
		if inst != nil {
			r.err = try(ctx, inst.Driver())
		} else {
			r.err = n.host.TryOut(ctx, specOf(e.want), try)
		}
		e.reply <- r
	})
}

// try lets the plugin test its daemon, and then proves the shared folder.
func (n *Node) try(ctx context.Context, d downloader.Driver, want core.DesiredDownloader) (downloader.TestResult, error) {
	began := time.Now()
	limited, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	result, err := testDriver(limited, d)
	if err != nil && !errs.Is(err, errs.NotOffered) {
		return result, err
	}
	if result.OK() {
		result.Checks = append(result.Checks, n.probe(ctx, d, want, result.LocalAddress)...)
	}
	result.Took = time.Since(began)
	return result, nil
}

// probe proves that the node and a downloader share the folders of jobs.
func (n *Node) probe(ctx context.Context, d downloader.Driver, want core.DesiredDownloader, localAddress string) []downloader.TestCheck {
	id := core.NewID[core.JobID]()
	failed := func(err error) []downloader.TestCheck {
		return []downloader.TestCheck{{Name: folderprobe.CheckShared, Message: errs.MessageOf(err), Err: err}}
	}
	daemonRoot, ok := daemonPath(want.PathMap, n.dirs.path)
	if !ok {
		return failed(errs.New(errs.PathNotShared, "The path map does not say what the downloader calls haul's download folder %s.", n.dirs.path).
			WithHint("Add an entry to path_map: {\"daemon\":\"/what/the/downloader/calls/it\",\"node\":%q}. docs/shared-folder.md has recipes.", n.dirs.path))
	}
	daemonDir, err := mappedPath(want.PathMap, n.dirs.data(id))
	if err != nil {
		return failed(err)
	}
	n.orphans.probes.begin(id)
	defer n.orphans.probes.end(id)
	if err := n.dirs.make(id); err != nil {
		return failed(errors.Join(err, n.dirs.remove(id)))
	}
	return folderprobe.Run(ctx, folderprobe.Options{
		Driver: d, Sources: n.sourcesOf(want.Plugin), JobID: string(id),
		Dir: n.dirs.data(id), DaemonDir: daemonDir, Root: n.dirs.path, DaemonRoot: daemonRoot,
		LocalAddress: localAddress,
		Remove:       func() error { return n.dirs.remove(id) }, Logger: n.log.With("downloader", want.Name),
	})
}

// sourcesOf returns what a plugin takes.
func (n *Node) sourcesOf(plugin string) []downloader.SourceKind {
	for _, p := range n.host.Plugins() {
		if p.Kind != pluginhost.KindStorage && p.Name == plugin && p.Err == nil {
			return p.Sources
		}
	}
	return nil
}
