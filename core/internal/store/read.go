package store

import (
	"context"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// one returns a record, or errs.NotFound.
func one[T any](ctx context.Context, s *Store, k *kind[T], id string) (*T, error) {
	if !validID(id) {
		return nil, k.notFound(id)
	}
	e, err := s.get(ctx, k.key(id))
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, k.notFound(id)
	}
	return k.decode(e.Key, e.Value)
}

// oneByUnique returns the record that has a unique key, or errs.NotFound. The
// record is asked again: it may have given the key away between the two reads.
func oneByUnique[T any](ctx context.Context, s *Store, k *kind[T], index, name string) (*T, error) {
	key := index + name
	if CheckKey(key) != nil {
		return nil, k.notFound(name)
	}
	e, err := s.get(ctx, key)
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, k.notFound(name)
	}
	v, err := one(ctx, s, k, string(e.Value))
	if err != nil {
		return nil, err
	}
	if len(added(k.unique(v), []string{key})) > 0 {
		return nil, k.notFound(name)
	}
	return v, nil
}

// Task returns a task, a deleted one too.
func (s *Store) Task(ctx context.Context, id core.TaskID) (*core.Task, error) {
	return one(ctx, s, &s.kinds.task, string(id))
}

// Content returns the uploaded bytes of a task.
func (s *Store) Content(ctx context.Context, id core.TaskID) ([]byte, error) {
	missing := errs.New(errs.NotFound, "There is no uploaded file of task %q.", id)
	if !validID(string(id)) {
		return nil, missing
	}
	e, err := s.get(ctx, contentPrefix+string(id))
	if err != nil {
		return nil, err
	}
	if e == nil {
		return nil, missing
	}
	if len(e.Value) == 0 || e.Value[0] != recordVersion {
		return nil, errs.New(errs.Internal, "The uploaded file of task %q is damaged.", id)
	}
	return e.Value[1:], nil
}

// Job returns a job.
func (s *Store) Job(ctx context.Context, id core.JobID) (*core.Job, error) {
	return one(ctx, s, &s.kinds.job, string(id))
}

// User returns a user.
func (s *Store) User(ctx context.Context, id core.UserID) (*core.User, error) {
	return one(ctx, s, &s.kinds.user, string(id))
}

// UserByName returns the user of a name.
func (s *Store) UserByName(ctx context.Context, name string) (*core.User, error) {
	return oneByUnique(ctx, s, &s.kinds.user, userNames, name)
}

// Group returns a group.
func (s *Store) Group(ctx context.Context, id core.GroupID) (*core.Group, error) {
	return one(ctx, s, &s.kinds.group, string(id))
}

// GroupByName returns the group of a name.
func (s *Store) GroupByName(ctx context.Context, name string) (*core.Group, error) {
	return oneByUnique(ctx, s, &s.kinds.group, groupNames, name)
}

// Token returns a token.
func (s *Store) Token(ctx context.Context, id core.TokenID) (*core.Token, error) {
	return one(ctx, s, &s.kinds.token, string(id))
}

// TokenByHash returns the token whose secret has a hash.
func (s *Store) TokenByHash(ctx context.Context, hash string) (*core.Token, error) {
	return oneByUnique(ctx, s, &s.kinds.token, tokenHashes, hash)
}

// Node returns a node.
func (s *Store) Node(ctx context.Context, id core.NodeID) (*core.Node, error) {
	return one(ctx, s, &s.kinds.node, string(id))
}

// NodeByName returns the node of a name.
func (s *Store) NodeByName(ctx context.Context, name string) (*core.Node, error) {
	return oneByUnique(ctx, s, &s.kinds.node, nodeNames, name)
}

// Downloader returns a downloader with its settings in clear.
func (s *Store) Downloader(ctx context.Context, id core.DownloaderID) (*core.Downloader, error) {
	return one(ctx, s, &s.kinds.downloader, string(id))
}

// DownloaderByName returns the downloader of a name.
func (s *Store) DownloaderByName(ctx context.Context, name string) (*core.Downloader, error) {
	return oneByUnique(ctx, s, &s.kinds.downloader, downloaderNames, name)
}

// Storage returns a storage.
func (s *Store) Storage(ctx context.Context, id core.StorageID) (*core.Storage, error) {
	return one(ctx, s, &s.kinds.storage, string(id))
}

// StorageByName returns the storage of a name.
func (s *Store) StorageByName(ctx context.Context, name string) (*core.Storage, error) {
	return oneByUnique(ctx, s, &s.kinds.storage, storageNames, name)
}
