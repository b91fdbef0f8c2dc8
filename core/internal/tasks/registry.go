package tasks

import (
	"context"
	"encoding/json"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/downloader"
)

// Registry is what the service needs to know of nodes, downloaders and storages.
// Its methods may be called concurrently. Those with a context ask the node, and
// fail with errs.NodeOffline where it does not answer.
type Registry interface {
	// Dispatch sends the stored wishes for jobs to their node, soon.
	Dispatch(node core.NodeID, jobs ...core.JobID)
	// Candidates returns all downloaders, without their active jobs.
	Candidates() []schedule.Candidate
	Online(node core.NodeID) bool
	// OnlineNodes returns the nodes that answer.
	OnlineNodes() []core.NodeID
	Node(idOrName string) (*core.Node, error)
	NodeName(id core.NodeID) string
	Downloader(idOrName string) (*core.Downloader, error)
	DownloaderName(id core.DownloaderID) string
	Storage(idOrName string) (*core.Storage, error)
	// RedactOptions returns a task's options without secrets.
	RedactOptions(id core.DownloaderID, options []byte) json.RawMessage
	// FetchSource has a node load what a source says of itself. Errors: those of
	// core.Session.
	FetchSource(ctx context.Context, node core.NodeID, s core.TaskSource) (*core.FetchedSource, error)
	// JobFiles returns the files of a job as far as they are known, wanted or
	// not; errs.NotFound without such a job.
	JobFiles(ctx context.Context, node core.NodeID, id core.JobID) ([]downloader.File, error)
	// FindTaken returns which names are taken in a folder of a storage.
	FindTaken(ctx context.Context, node core.NodeID, storage core.StorageID, path string, names []string) ([]string, error)
	// RemoveFiles removes delivered files from a folder of a storage, and the
	// folders that they leave empty; what somebody changed since stays. With an
	// error it returns the files that may be there still.
	RemoveFiles(ctx context.Context, node core.NodeID, storage core.StorageID, path string, files []core.DeliveredFile) (left []core.DeliveredFile, err error)
}
