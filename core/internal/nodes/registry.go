package nodes

import (
	"context"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

// OnlineNodes returns the nodes that there is a session with.
func (s *Service) OnlineNodes() []core.NodeID {
	var out []core.NodeID
	for _, n := range s.allNodes() {
		if n.online() {
			out = append(out, n.ID)
		}
	}
	slices.Sort(out)
	return out
}

// FetchSource has a node load what a source says of itself; see core.Session.
func (s *Service) FetchSource(ctx context.Context, node core.NodeID, src core.TaskSource) (*core.FetchedSource, error) {
	return ask(ctx, s, node, func(ctx context.Context, session core.Session) (*core.FetchedSource, error) {
		return session.FetchSource(ctx, src)
	})
}

// JobFiles returns the files of a job; see core.Session.
func (s *Service) JobFiles(ctx context.Context, node core.NodeID, id core.JobID) ([]downloader.File, error) {
	return ask(ctx, s, node, func(ctx context.Context, session core.Session) ([]downloader.File, error) {
		return session.JobFiles(ctx, id)
	})
}

// FindTaken returns which names are taken in a folder of a storage; see core.Session.
func (s *Service) FindTaken(ctx context.Context, node core.NodeID, storage core.StorageID, path string, names []string) ([]string, error) {
	return ask(ctx, s, node, func(ctx context.Context, session core.Session) ([]string, error) {
		return session.FindTaken(ctx, storage, path, names)
	})
}

// RemoveFiles removes delivered files; see core.Session.
func (s *Service) RemoveFiles(ctx context.Context, node core.NodeID, storage core.StorageID, path string, files []core.DeliveredFile) (left []core.DeliveredFile, err error) {
	asked := false
	left, err = ask(ctx, s, node, func(ctx context.Context, session core.Session) ([]core.DeliveredFile, error) {
		asked = true
		return session.RemoveFiles(ctx, storage, path, files)
	})
	if !asked {
		return files, err
	}
	return left, err
}

// ask makes a call to a node that is online.
func ask[T any](ctx context.Context, s *Service, node core.NodeID, fn func(context.Context, core.Session) (T, error)) (T, error) {
	session, err := s.session(node)
	if err != nil {
		var none T
		return none, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return fn(ctx, session)
}
