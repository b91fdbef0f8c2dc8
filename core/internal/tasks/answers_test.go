package tasks

import (
	"context"
	"sync"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// answers is what a test has the nodes say; what it does not set is not known.
type answers struct {
	lock    sync.Mutex // guards all below
	nodes   []core.NodeID
	offline bool
	fetch   func(context.Context, core.TaskSource) (*core.FetchedSource, error)
	files   []downloader.File
	taken   []string
	removed []core.DeliveredFile
	keeps   bool // nothing is removed
}

// set changes the answers.
func (a *answers) set(change func(*answers)) {
	a.lock.Lock()
	defer a.lock.Unlock()
	change(a)
}

func (a *answers) Online(core.NodeID) bool {
	a.lock.Lock()
	defer a.lock.Unlock()
	return !a.offline
}

func (a *answers) OnlineNodes() []core.NodeID {
	a.lock.Lock()
	defer a.lock.Unlock()
	if a.offline {
		return nil
	}
	return a.nodes
}

func (a *answers) FetchSource(ctx context.Context, _ core.NodeID, s core.TaskSource) (*core.FetchedSource, error) {
	a.lock.Lock()
	fetch := a.fetch
	a.lock.Unlock()
	if fetch == nil {
		return nil, errs.New(errs.SourceUnreachable, "The source's server cannot be reached.")
	}
	return fetch(ctx, s)
}

func (a *answers) JobFiles(context.Context, core.NodeID, core.JobID) ([]downloader.File, error) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if a.files == nil {
		return nil, errs.New(errs.MetadataMissing, "The torrent's list of files is not known yet.")
	}
	return a.files, nil
}

func (a *answers) FindTaken(context.Context, core.NodeID, core.StorageID, string, []string) ([]string, error) {
	a.lock.Lock()
	defer a.lock.Unlock()
	return a.taken, nil
}

func (a *answers) RemoveFiles(_ context.Context, _ core.NodeID, _ core.StorageID, _ string, files []core.DeliveredFile) (left []core.DeliveredFile, err error) {
	a.lock.Lock()
	defer a.lock.Unlock()
	a.removed = append(a.removed, files...)
	if a.keeps {
		return files, errs.New(errs.StorageUnreachable, "The storage does not answer.")
	}
	return nil, nil
}
