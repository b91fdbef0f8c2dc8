package nodes

import (
	"cmp"
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Bounds of a downloader's numbers.
const (
	maxActiveLimit    = 100_000
	maxWeight         = 1_000
	maxPollInterval   = 3_600
	defaultWeight     = 1
	defaultListLimit  = 50
	maximumListLength = 1_000
)

var namePattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,62}$`)

var _ core.DownloaderService = (*Service)(nil)

// List returns the downloaders by name.
func (s *Service) List(ctx context.Context, limit int, cursor string) (*core.Page[core.DownloaderView], error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = defaultListLimit
	}
	limit = min(limit, maximumListLength)
	page := &core.Page[core.DownloaderView]{}
	for _, d := range s.sorted() {
		if d.Name <= cursor {
			continue
		}
		if len(page.Items) == limit {
			page.NextCursor = page.Items[limit-1].Name
			break
		}
		page.Items = append(page.Items, *s.viewFor(who, d))
	}
	return page, nil
}

// Get returns one downloader.
func (s *Service) Get(ctx context.Context, idOrName string) (*core.DownloaderView, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.Downloader(idOrName)
	if err != nil {
		return nil, err
	}
	return s.viewFor(who, d), nil
}

// Downloader returns a downloader by its id or name, or errs.NotFound.
func (s *Service) Downloader(idOrName string) (*core.Downloader, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, d := range s.downloaders {
		if string(d.ID) == idOrName || d.Name == idOrName {
			found := *d
			return &found, nil
		}
	}
	return nil, errs.New(errs.NotFound, "There is no downloader %q.", idOrName)
}

// Create stores a new downloader and hands it to its node.
func (s *Service) Create(ctx context.Context, c *core.DownloaderChange) (*core.DownloaderView, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	d := s.blank()
	if err := s.apply(d, c); err != nil {
		return nil, err
	}
	if err := s.save(ctx, d); err != nil {
		return nil, err
	}
	return s.view(d), nil
}

// Update changes a downloader. Its plugin and node cannot change: jobs may run there.
func (s *Service) Update(ctx context.Context, idOrName string, c *core.DownloaderChange) (*core.DownloaderView, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	d, err := s.Downloader(idOrName)
	if err != nil {
		return nil, err
	}
	if c.Plugin != nil && *c.Plugin != d.Plugin {
		return nil, errs.New(errs.InvalidRequest, "A downloader's plugin cannot change.").WithField("plugin", "cannot change; make another downloader")
	}
	if c.Node != nil && *c.Node != string(d.Node) && *c.Node != s.NodeName(d.Node) {
		return nil, errs.New(errs.InvalidRequest, "A downloader's node cannot change.").WithField("node", "cannot change; make another downloader")
	}
	unplaced := *c
	unplaced.Plugin, unplaced.Node = nil, nil
	if err := s.apply(d, &unplaced); err != nil {
		return nil, err
	}
	if err := s.save(ctx, d); err != nil {
		return nil, err
	}
	return s.view(d), nil
}

// Delete removes a downloader that has no jobs.
func (s *Service) Delete(ctx context.Context, idOrName string) error {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	d, err := s.Downloader(idOrName)
	if err != nil {
		return err
	}
	if err := s.waitUnused(ctx, d); err != nil {
		return err
	}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.DeleteDownloader(d.ID) }); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.downloaders, d.ID)
	s.mu.Unlock()
	s.log.Info("downloader deleted", "downloader", d.Name)
	s.tellNode(d)
	return nil
}

// Jobs whose tasks have ended leave the downloader in a moment: so long a
// deletion waits for them.
const (
	endingLimit = 3 * time.Second
	endingPause = 50 * time.Millisecond
)

// waitUnused returns when no job needs the downloader, or errs.InUse.
func (s *Service) waitUnused(ctx context.Context, d *core.Downloader) error {
	ctx, cancel := context.WithTimeout(ctx, endingLimit)
	defer cancel()
	for {
		used, ending, err := s.usage(ctx, d)
		if err != nil {
			return err
		}
		if !used {
			return nil
		}
		inUse := errs.New(errs.InUse, "Downloader %q still has jobs.", d.Name).
			WithHint("Disable it and wait, or cancel its tasks, then delete it.")
		if !ending {
			return inUse
		}
		select {
		case <-ctx.Done():
			return inUse
		case <-time.After(endingPause):
		}
	}
}

// usage reports whether jobs need the downloader, and whether all of them are
// about to end. A job that is to be removed waits for its downloader; one that
// does not come back shall not keep its own end from being made.
func (s *Service) usage(ctx context.Context, d *core.Downloader) (used, ending bool, err error) {
	reachable := s.view(d).Health.State == core.HealthOK
	ending = true
	for job, err := range s.store.Jobs(ctx, store.JobFilter{Node: d.Node}) {
		if err != nil {
			return false, false, err
		}
		if job.Downloader != d.ID || job.Wish == core.JobRemove && !reachable {
			continue
		}
		used = true
		tasks, err := s.store.TasksOfJob(ctx, job.ID)
		if err != nil {
			return false, false, err
		}
		running := func(t core.Task) bool { return !t.State.Ended() }
		ending = ending && len(tasks) > 0 && !slices.ContainsFunc(tasks, running)
	}
	return used, ending, nil
}

// Test tries out a stored downloader on its node.
func (s *Service) Test(ctx context.Context, idOrName string) (*downloader.TestResult, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	d, err := s.Downloader(idOrName)
	if err != nil {
		return nil, err
	}
	return s.try(ctx, d)
}

// TestUnsaved tries out settings on the node before they are stored.
func (s *Service) TestUnsaved(ctx context.Context, c *core.DownloaderChange) (*downloader.TestResult, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	d := s.blank()
	named := *c
	if named.Name == nil {
		name := "unsaved"
		named.Name = &name
	}
	if err := s.apply(d, &named); err != nil {
		return nil, err
	}
	return s.try(ctx, d)
}

func (s *Service) try(ctx context.Context, d *core.Downloader) (*downloader.TestResult, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	session, err := s.session(d.Node)
	if err != nil {
		return nil, err
	}
	result, err := session.TestDownloader(ctx, desired(d))
	if err != nil {
		return nil, err
	}
	return &result, nil
}

func (s *Service) session(id core.NodeID) (core.Session, error) {
	s.mu.RLock()
	n := s.nodes[id]
	s.mu.RUnlock()
	if n == nil {
		return nil, errs.New(errs.NotFound, "There is no node %q.", id)
	}
	return n.current()
}

func (s *Service) blank() *core.Downloader {
	return &core.Downloader{
		ID: core.NewID[core.DownloaderID](), Enabled: true, Settings: json.RawMessage("{}"),
		MaxActive: core.DefaultMaxActive, Weight: defaultWeight, PollInterval: core.DefaultPollInterval,
		CreatedAt: s.now().UTC(),
	}
}

func (s *Service) pluginOf(d *core.Downloader) *knownPlugin {
	s.mu.RLock()
	n := s.nodes[d.Node]
	s.mu.RUnlock()
	if n == nil {
		return nil
	}
	return n.plugin(d.Plugin)
}

// save stores a downloader and tells its node. The caller holds writing from
// the moment it reads what it changes.
func (s *Service) save(ctx context.Context, d *core.Downloader) error {
	d.Revision++
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutDownloader(d) }); err != nil {
		return err
	}
	stored := *d
	s.mu.Lock()
	s.downloaders[d.ID] = &stored
	s.mu.Unlock()
	s.log.Info("downloader saved", "downloader", d.Name, "plugin", d.Plugin, "enabled", d.Enabled)
	s.tellNode(d)
	return nil
}

func (s *Service) tellNode(d *core.Downloader) {
	s.mu.RLock()
	n := s.nodes[d.Node]
	s.mu.RUnlock()
	if n != nil {
		n.dispatchDownloader(d.ID)
	}
}

func (s *Service) sorted() []*core.Downloader {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*core.Downloader, 0, len(s.downloaders))
	for _, d := range s.downloaders {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b *core.Downloader) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// autoCreateDownloaders makes one downloader of each plugin on the node that
// needs no settings, where none is configured at all. Once there was one it
// makes no other: who deletes the last one means it.
func (s *Service) autoCreateDownloaders(ctx context.Context, n *node) {
	s.writing.Lock()
	defer s.writing.Unlock()
	s.autoCreate = s.autoCreate && len(s.sorted()) == 0
	if !s.autoCreate {
		return
	}
	for _, p := range n.observedPlugins() {
		if !p.Managed || p.Failure != nil || n.plugin(p.Name) != p {
			continue
		}
		d := s.blank()
		d.Name, d.Plugin, d.Node = p.Name, p.Name, n.ID
		if err := p.checkSettings(d.Settings); err != nil {
			s.log.Warn("plugin needs settings after all", "plugin", p.Name, "err", err)
			continue
		}
		if err := s.save(ctx, d); err != nil {
			s.log.Error("create the downloader of a managed plugin", "plugin", p.Name, "err", err)
			continue
		}
		s.autoCreate = false
	}
}
