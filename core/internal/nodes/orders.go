package nodes

import (
	"context"
	"maps"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// contentAtOnce bounds the torrent and metalink files that orders hold, in bytes.
const contentAtOnce = 16 << 20

// outgoing are orders that grow. Those jobs whose files would take too much memory
// are sent ahead; the others need not have theirs again.
type outgoing struct {
	node    *node
	session core.Session
	orders  *core.Orders
	// ahead is how many jobs were sent, bytes what the files of the others have.
	ahead, bytes int
}

// add adds a job with its file.
func (g *outgoing) add(ctx context.Context, job *core.Job) error {
	desired, err := g.node.desiredJob(ctx, job)
	if err != nil {
		return err
	}
	o := g.orders
	o.Jobs = append(o.Jobs, *desired)
	if g.bytes += len(desired.Content); g.bytes < contentAtOnce {
		return nil
	}
	part := &core.Orders{
		Downloaders: o.Downloaders, Storages: o.Storages, AllStorages: o.AllStorages,
		Jobs: slices.Clone(o.Jobs[g.ahead:]),
	}
	if err := g.session.Send(ctx, part); err != nil {
		return err
	}
	for i := g.ahead; i < len(o.Jobs); i++ {
		o.Jobs[i].Content = nil
	}
	g.ahead, g.bytes = len(o.Jobs), 0
	return nil
}

// fullOrders says everything that is wanted of the node. Where a record is
// damaged that is not all: then nothing is unwanted for not being named, since
// the node would remove its data.
func (n *node) fullOrders(ctx context.Context, session core.Session) (*core.Orders, error) {
	o := &core.Orders{Storages: n.service.desiredStorages(), AllStorages: true, Downloaders: n.service.desiredDownloaders(n.ID)}
	out := &outgoing{node: n, session: session, orders: o}
	for job, err := range n.service.store.Jobs(ctx, store.JobFilter{Node: n.ID}) {
		if err != nil {
			return nil, err
		}
		if err := out.add(ctx, &job); err != nil {
			return nil, err
		}
	}
	if o.Full = n.service.store.KnowsAllWanted(); !o.Full {
		n.service.log.Error("a damaged record may hide what is wanted: the node keeps what nobody names", "node", n.Name)
	}
	return o, nil
}

// changedOrders says what is wanted where that has changed.
func (n *node) changedOrders(ctx context.Context, session core.Session) (*core.Orders, error) {
	n.mu.Lock()
	jobs := slices.Sorted(maps.Keys(n.dirtyJobs))
	downloaders := slices.Sorted(maps.Keys(n.dirtyDownloaders))
	o := &core.Orders{Forget: slices.Sorted(maps.Keys(n.forget))}
	clear(n.dirtyJobs)
	clear(n.dirtyDownloaders)
	clear(n.forget)
	if n.storagesDirty {
		o.Storages, o.AllStorages = n.service.desiredStorages(), true
		n.storagesDirty = false
	}
	n.mu.Unlock()

	for _, id := range downloaders {
		if d := n.service.desiredDownloader(id); d != nil {
			o.Downloaders = append(o.Downloaders, *d)
		} else {
			o.RemovedDownloaders = append(o.RemovedDownloaders, id)
		}
	}
	out := &outgoing{node: n, session: session, orders: o}
	for _, id := range jobs {
		job, err := n.service.store.Job(ctx, id)
		if errs.Is(err, errs.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := out.add(ctx, job); err != nil {
			return nil, err
		}
	}
	return o, nil
}

// desiredJob adds the bytes of a torrent or metalink file to a job.
func (n *node) desiredJob(ctx context.Context, job *core.Job) (*core.DesiredJob, error) {
	d := &core.DesiredJob{Job: *job}
	if !job.Source.Stored() || job.Wish == core.JobRemove {
		return d, nil
	}
	content, err := n.service.store.Content(ctx, job.ContentOf)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	d.Content = content
	return d, nil
}

func (s *Service) desiredStorages() []core.DesiredStorage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]core.DesiredStorage, 0, len(s.storages))
	for _, st := range s.storages {
		out = append(out, desiredStorage(st))
	}
	return out
}

func desiredStorage(st *core.Storage) core.DesiredStorage {
	return core.DesiredStorage{ID: st.ID, Name: st.Name, Kind: st.Kind, Root: st.Root, Settings: st.Settings, Revision: st.Revision}
}

func (s *Service) desiredDownloaders(id core.NodeID) []core.DesiredDownloader {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []core.DesiredDownloader
	for _, d := range s.downloaders {
		if d.Node == id {
			out = append(out, desired(d))
		}
	}
	return out
}

func (s *Service) desiredDownloader(id core.DownloaderID) *core.DesiredDownloader {
	s.mu.RLock()
	defer s.mu.RUnlock()
	d := s.downloaders[id]
	if d == nil {
		return nil
	}
	want := desired(d)
	return &want
}

func desired(d *core.Downloader) core.DesiredDownloader {
	return core.DesiredDownloader{
		ID: d.ID, Name: d.Name, Plugin: d.Plugin, Enabled: d.Enabled, Settings: d.Settings,
		PathMap: d.PathMap, MaxActive: d.MaxActive, PollInterval: d.PollInterval, Revision: d.Revision,
	}
}
