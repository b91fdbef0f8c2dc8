package nodes

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

var _ core.StorageService = (*Service)(nil)

// ListStorages returns the storages by name.
func (s *Service) ListStorages(ctx context.Context, limit int, cursor string) (*core.Page[core.StorageView], error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = defaultListLimit
	}
	limit = min(limit, maximumListLength)
	page := &core.Page[core.StorageView]{}
	for _, st := range s.sortedStorages() {
		if st.Name <= cursor {
			continue
		}
		if len(page.Items) == limit {
			page.NextCursor = page.Items[limit-1].Name
			break
		}
		page.Items = append(page.Items, *s.storageViewFor(who, st))
	}
	return page, nil
}

// GetStorage returns one storage.
func (s *Service) GetStorage(ctx context.Context, idOrName string) (*core.StorageView, error) {
	who, err := core.IdentityFrom(ctx)
	if err != nil {
		return nil, err
	}
	st, err := s.Storage(idOrName)
	if err != nil {
		return nil, err
	}
	return s.storageViewFor(who, st), nil
}

// CreateStorage stores a new storage and tells the nodes.
func (s *Service) CreateStorage(ctx context.Context, c *core.StorageChange) (*core.StorageView, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	st := s.blankStorage()
	if err := s.applyStorage(st, c); err != nil {
		return nil, err
	}
	if err := s.saveStorage(ctx, st); err != nil {
		return nil, err
	}
	return s.storageView(st), nil
}

// UpdateStorage changes a storage, but not its kind: tasks may deliver there.
func (s *Service) UpdateStorage(ctx context.Context, idOrName string, c *core.StorageChange) (*core.StorageView, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	st, err := s.Storage(idOrName)
	if err != nil {
		return nil, err
	}
	if c.Kind != nil && *c.Kind != string(st.Kind) {
		return nil, errs.New(errs.InvalidRequest, "A storage's kind cannot change.").WithField("kind", "cannot change; make another storage")
	}
	if st.Name == core.LocalStorageName && (c.Name != nil && *c.Name != st.Name || c.Settings != nil) {
		return nil, errs.New(errs.InvalidRequest, "The storage %q belongs to the data directory.", st.Name).
			WithField("name", "cannot change; make another storage")
	}
	if err := s.applyStorage(st, c); err != nil {
		return nil, err
	}
	if err := s.saveStorage(ctx, st); err != nil {
		return nil, err
	}
	return s.storageView(st), nil
}

// DeleteStorage removes a storage that no task delivers to. What is there stays.
func (s *Service) DeleteStorage(ctx context.Context, idOrName string) error {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return err
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	st, err := s.Storage(idOrName)
	if err != nil {
		return err
	}
	if st.Name == core.LocalStorageName {
		return errs.New(errs.InUse, "The storage %q belongs to the data directory and cannot be deleted.", st.Name)
	}
	used, err := s.store.StorageInUse(ctx, st.ID)
	if err != nil {
		return err
	}
	if used {
		return errs.New(errs.InUse, "Tasks that have not ended deliver to storage %q.", st.Name).
			WithHint("Wait for them, cancel them, or give them another destination.")
	}
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.DeleteStorage(st.ID) }); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.storages, st.ID)
	s.mu.Unlock()
	s.log.Info("storage deleted", "storage", st.Name)
	s.tellStorages()
	return nil
}

// TestStorage tries out a stored storage.
func (s *Service) TestStorage(ctx context.Context, idOrName string) (*downloader.TestResult, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	st, err := s.Storage(idOrName)
	if err != nil {
		return nil, err
	}
	return s.tryStorage(ctx, st)
}

// TestUnsavedStorage tries out settings before they are stored.
func (s *Service) TestUnsavedStorage(ctx context.Context, c *core.StorageChange) (*downloader.TestResult, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	st, named := s.blankStorage(), *c
	if named.Name == nil {
		name := "unsaved"
		named.Name = &name
	}
	if err := s.applyStorage(st, &named); err != nil {
		return nil, err
	}
	return s.tryStorage(ctx, st)
}

// tryStorage tries a storage out on the first node that has its plugin.
func (s *Service) tryStorage(ctx context.Context, st *core.Storage) (*downloader.TestResult, error) {
	n := s.nodeFor(st.Kind)
	if n == nil {
		return nil, errs.New(errs.NodeOffline, "No node is online that could reach the storage.")
	}
	result, err := ask(ctx, s, n.ID, func(ctx context.Context, session core.Session) (downloader.TestResult, error) {
		return session.TestStorage(ctx, desiredStorage(st))
	})
	return &result, err
}

// nodeFor returns a node that can reach a kind of storage, else one that can
// say why it does not, or nil.
func (s *Service) nodeFor(kind core.StorageKind) *node {
	all := s.allNodes()
	slices.SortFunc(all, func(a, b *node) int { return cmp.Compare(a.ID, b.ID) })
	var other *node
	for _, n := range all {
		switch {
		case !n.online():
		case kind == core.StorageLocal || n.pluginOfKind(core.PluginStorage, string(kind)) != nil:
			return n
		case other == nil:
			other = n
		}
	}
	return other
}

func (s *Service) blankStorage() *core.Storage {
	return &core.Storage{ID: core.NewID[core.StorageID](), CreatedAt: s.now().UTC()}
}

// saveStorage stores a storage and tells the nodes. The caller holds writing.
func (s *Service) saveStorage(ctx context.Context, st *core.Storage) error {
	st.Revision++
	if err := s.store.Update(ctx, func(tx *store.Tx) error { return tx.PutStorage(st) }); err != nil {
		return err
	}
	stored := *st
	s.mu.Lock()
	s.storages[st.ID] = &stored
	s.mu.Unlock()
	s.log.Info("storage saved", "storage", st.Name, "kind", st.Kind)
	s.tellStorages()
	return nil
}

func (s *Service) tellStorages() {
	for _, n := range s.allNodes() {
		n.dispatchStorages()
	}
}

func (s *Service) sortedStorages() []*core.Storage {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*core.Storage, 0, len(s.storages))
	for _, st := range s.storages {
		out = append(out, st)
	}
	slices.SortFunc(out, func(a, b *core.Storage) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// storageView joins a storage with what the nodes know, without secrets.
func (s *Service) storageView(st *core.Storage) *core.StorageView {
	v := &core.StorageView{Storage: *st, FreeBytes: -1, TotalBytes: -1}
	v.Health.State = core.HealthUnknown
	if n := s.nodeFor(st.Kind); n != nil {
		if seen, ok := n.observedStorage(st.ID); ok {
			v.Health, v.FreeBytes, v.TotalBytes = seen.Health, seen.FreeBytes, seen.TotalBytes
		}
	} else {
		v.Health.Code, v.Health.Message = errs.NodeOffline, "No node is online that could reach it."
	}
	v.Settings = s.redactStorage(st)
	return v
}

// storageViewFor leaves out what is for admins alone.
func (s *Service) storageViewFor(who *core.Identity, st *core.Storage) *core.StorageView {
	v := s.storageView(st)
	if !who.IsAdmin() {
		v.Settings, v.Root, v.FreeBytes, v.TotalBytes = json.RawMessage("{}"), "", -1, -1
	}
	return v
}

func (n *node) observedStorage(id core.StorageID) (core.ObservedStorage, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	seen, ok := n.storages[id]
	return seen, ok
}

// storageInstances returns the processes of a storage's plugin on a node; of
// several versions those that run this one, as Service.instances does.
func (s *Service) storageInstances(n *node, p *knownPlugin) []core.PluginInstance {
	var out []core.PluginInstance
	for _, st := range s.sortedStorages() {
		if string(st.Kind) != p.Name {
			continue
		}
		seen, ok := n.observedStorage(st.ID)
		if !ok || n.versionOf(core.PluginStorage, p.Name, seen.PluginVersion) != p {
			continue
		}
		out = append(out, core.PluginInstance{
			Storage: st.ID, Name: st.Name, State: seen.Health.State, PID: seen.PluginPID,
			Restarts: seen.Restarts, Version: seen.PluginVersion,
		})
	}
	return out
}
