package worker

import (
	"context"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// TestStorage implements core.Session.
func (s *session) TestStorage(ctx context.Context, st core.DesiredStorage) (downloader.TestResult, error) {
	result, err := s.node.testStorage(ctx, st)
	if err != nil && downloaderCodes[errs.CodeOf(err)] && ctx.Err() == nil {
		return downloader.TestResult{Checks: []downloader.TestCheck{{Name: "plugin", Message: errs.MessageOf(err), Err: err}}}, nil
	}
	return result, err
}

// storageTestAsked asks for a test of a storage.
type storageTestAsked struct {
	ctx   context.Context
	want  core.DesiredStorage
	reply chan testReply // has room for the answer
}

// testStorage has a test made, and waits for it.
func (n *Node) testStorage(ctx context.Context, st core.DesiredStorage) (downloader.TestResult, error) {
	reply := make(chan testReply, 1)
	if !n.post(storageTestAsked{ctx, st, reply}) {
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

// onStorageTestAsked begins a test: with the running plugin if it has these very
// settings, else with a process of its own.
func (n *Node) onStorageTestAsked(e storageTestAsked) {
	var inst StorageInstance
	if k := n.storages[e.want.ID]; k != nil && !k.removed && k.inst != nil && k.running() && sameStorageSpec(k.want, e.want) {
		inst = k.inst
	}
	n.tests.Go(func() {
		ctx, cancel := context.WithTimeout(e.ctx, storageTestTimeout)
		defer cancel()
		defer context.AfterFunc(n.ctx, cancel)()
		began := time.Now()
		var r testReply
		switch {
		case e.want.Kind == core.StorageLocal:
			r.result = testFolder(e.want.Root)
		case inst != nil:
			r.result, r.err = inst.Driver().Test(ctx)
		default:
			r.err = n.host.TryOutStorage(ctx, storageSpec(e.want), func(ctx context.Context, d storage.Driver) (err error) {
				r.result, err = d.Test(ctx)
				return err
			})
		}
		r.result.Took = time.Since(began)
		e.reply <- r
	})
}
