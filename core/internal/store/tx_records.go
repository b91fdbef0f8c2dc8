package store

import (
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// The getters of Tx fail with errs.NotFound, as do the deletions; a Put makes
// or replaces a record.

// Task returns a task, a deleted one too.
func (tx *Tx) Task(id core.TaskID) (*core.Task, error) {
	return tx.store.kinds.task.in(tx, string(id))
}

// PutTask stores a task with its indexes and counters.
func (tx *Tx) PutTask(t *core.Task) error { return tx.store.kinds.task.put(tx, t) }

// DeleteTask removes a task, its content and its history for good. To hide it,
// set DeletedAt instead.
func (tx *Tx) DeleteTask(id core.TaskID) error {
	if t, err := tx.Task(id); err == nil {
		tx.deleteHistory(t)
	}
	if err := tx.store.kinds.task.delete(tx, string(id)); err != nil {
		return err
	}
	return tx.DeleteContent(id)
}

// PutContent stores the uploaded bytes of a task; without any it does nothing.
func (tx *Tx) PutContent(id core.TaskID, content []byte) error {
	if len(content) == 0 {
		return nil
	}
	op, err := putContent(id, content)
	if err != nil {
		return err
	}
	tx.write(op)
	return nil
}

// DeleteContent removes the uploaded bytes of a task, if there are any.
func (tx *Tx) DeleteContent(id core.TaskID) error {
	if validID(string(id)) {
		tx.remove(contentPrefix + string(id))
	}
	return nil
}

// putContent is the operation that stores uploaded bytes.
func putContent(id core.TaskID, content []byte) (Op, error) {
	if !validID(string(id)) {
		return Op{}, errs.New(errs.Internal, "%q is not an id of a task.", id)
	}
	if len(content) >= MaxValueSize {
		return Op{}, errs.New(errs.BodyTooLarge, "The uploaded file has %d bytes; %d is the most.", len(content), MaxValueSize-1)
	}
	value := make([]byte, 1, 1+len(content))
	value[0] = recordVersion
	return Op{Type: OpPut, Key: contentPrefix + string(id), Value: append(value, content...)}, nil
}

// Job returns a job.
func (tx *Tx) Job(id core.JobID) (*core.Job, error) { return tx.store.kinds.job.in(tx, string(id)) }

// JobByHash returns the job at a downloader that loads a torrent, by the job's
// InfoHash.
func (tx *Tx) JobByHash(node core.NodeID, id core.DownloaderID, hash string) (*core.Job, error) {
	return tx.store.kinds.job.byUnique(tx, jobHashes+string(node)+"/"+string(id)+"/", hash)
}

// PutJob stores a job; errs.NameTaken when another one at the same downloader
// has the same InfoHash.
func (tx *Tx) PutJob(j *core.Job) error { return tx.store.kinds.job.put(tx, j) }

// DeleteJob removes a job.
func (tx *Tx) DeleteJob(id core.JobID) error { return tx.store.kinds.job.delete(tx, string(id)) }

// User returns a user.
func (tx *Tx) User(id core.UserID) (*core.User, error) {
	return tx.store.kinds.user.in(tx, string(id))
}

// UserByName returns the user of a name.
func (tx *Tx) UserByName(name string) (*core.User, error) {
	return tx.store.kinds.user.byUnique(tx, userNames, name)
}

// PutUser stores a user; errs.NameTaken when another one has the name.
func (tx *Tx) PutUser(u *core.User) error { return tx.store.kinds.user.put(tx, u) }

// DeleteUser removes a user.
func (tx *Tx) DeleteUser(id core.UserID) error { return tx.store.kinds.user.delete(tx, string(id)) }

// Group returns a group.
func (tx *Tx) Group(id core.GroupID) (*core.Group, error) {
	return tx.store.kinds.group.in(tx, string(id))
}

// GroupByName returns the group of a name.
func (tx *Tx) GroupByName(name string) (*core.Group, error) {
	return tx.store.kinds.group.byUnique(tx, groupNames, name)
}

// PutGroup stores a group; errs.NameTaken when another one has the name.
func (tx *Tx) PutGroup(g *core.Group) error { return tx.store.kinds.group.put(tx, g) }

// DeleteGroup removes a group.
func (tx *Tx) DeleteGroup(id core.GroupID) error { return tx.store.kinds.group.delete(tx, string(id)) }

// Token returns a token.
func (tx *Tx) Token(id core.TokenID) (*core.Token, error) {
	return tx.store.kinds.token.in(tx, string(id))
}

// TokenByHash returns the token whose secret has a hash.
func (tx *Tx) TokenByHash(hash string) (*core.Token, error) {
	return tx.store.kinds.token.byUnique(tx, tokenHashes, hash)
}

// PutToken stores a token.
func (tx *Tx) PutToken(t *core.Token) error { return tx.store.kinds.token.put(tx, t) }

// DeleteToken removes a token.
func (tx *Tx) DeleteToken(id core.TokenID) error { return tx.store.kinds.token.delete(tx, string(id)) }

// Node returns a node.
func (tx *Tx) Node(id core.NodeID) (*core.Node, error) {
	return tx.store.kinds.node.in(tx, string(id))
}

// NodeByName returns the node of a name.
func (tx *Tx) NodeByName(name string) (*core.Node, error) {
	return tx.store.kinds.node.byUnique(tx, nodeNames, name)
}

// PutNode stores a node; errs.NameTaken when another one has the name.
func (tx *Tx) PutNode(n *core.Node) error { return tx.store.kinds.node.put(tx, n) }

// DeleteNode removes a node.
func (tx *Tx) DeleteNode(id core.NodeID) error { return tx.store.kinds.node.delete(tx, string(id)) }

// Downloader returns a downloader with its settings in clear.
func (tx *Tx) Downloader(id core.DownloaderID) (*core.Downloader, error) {
	return tx.store.kinds.downloader.in(tx, string(id))
}

// DownloaderByName returns the downloader of a name.
func (tx *Tx) DownloaderByName(name string) (*core.Downloader, error) {
	return tx.store.kinds.downloader.byUnique(tx, downloaderNames, name)
}

// PutDownloader stores a downloader, its settings sealed; errs.NameTaken when
// another one has the name.
func (tx *Tx) PutDownloader(d *core.Downloader) error { return tx.store.kinds.downloader.put(tx, d) }

// DeleteDownloader removes a downloader.
func (tx *Tx) DeleteDownloader(id core.DownloaderID) error {
	return tx.store.kinds.downloader.delete(tx, string(id))
}

// Storage returns a storage.
func (tx *Tx) Storage(id core.StorageID) (*core.Storage, error) {
	return tx.store.kinds.storage.in(tx, string(id))
}

// StorageByName returns the storage of a name.
func (tx *Tx) StorageByName(name string) (*core.Storage, error) {
	return tx.store.kinds.storage.byUnique(tx, storageNames, name)
}

// PutStorage stores a storage; errs.NameTaken when another one has the name.
func (tx *Tx) PutStorage(s *core.Storage) error { return tx.store.kinds.storage.put(tx, s) }

// DeleteStorage removes a storage.
func (tx *Tx) DeleteStorage(id core.StorageID) error {
	return tx.store.kinds.storage.delete(tx, string(id))
}

// Idempotency returns what is remembered of an owner's key, or nil.
func (tx *Tx) Idempotency(owner core.UserID, key string) (*Idempotency, error) {
	v, err := tx.store.kinds.idempotency.in(tx, idempotencyID(owner, key))
	if errs.Is(err, errs.NotFound) {
		return nil, nil
	}
	return v, err
}

// PutIdempotency remembers an owner's key.
func (tx *Tx) PutIdempotency(owner core.UserID, key string, i *Idempotency) error {
	record := *i
	record.Owner, record.Key = owner, key
	return tx.store.kinds.idempotency.put(tx, &record)
}
