package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
)

// The keys of the journal:
//
//	job/<id>          record, its options sealed
//	content/<id>      the torrent or metalink file of a job, as it is
//	downloader/<id>   downloaderRecord
//	storage/<id>      storageRecord
//	orphan/<kind>/…   orphan
//	remnant/<id>      remnant
//
// A record is a version byte and JSON.
const (
	keyJob        = "job/"
	keyContent    = "content/"
	keyDownloader = "downloader/"
	keyStorage    = "storage/"
	keyOrphan     = "orphan/"
	keyRemnant    = "remnant/"

	recordVersion = 1
)

// journal is where a node keeps what it must not forget.
type journal struct {
	kv  store.KV
	box Box
}

// downloaderRecord is a core.DesiredDownloader with sealed settings.
type downloaderRecord struct {
	core.DesiredDownloader
	Settings []byte `json:"sealed_settings"`
}

// storageRecord is a core.DesiredStorage with sealed settings.
type storageRecord struct {
	core.DesiredStorage
	Settings []byte `json:"sealed_settings,omitempty"`
}

// changes gathers what one commit writes.
type changes struct{ ops []store.Op }

func (c *changes) empty() bool { return len(c.ops) == 0 }

func (c *changes) put(key string, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode %s: %w", key, err)
	}
	if len(b) >= store.MaxValueSize {
		return fmt.Errorf("the record %s has %d bytes: it would keep all others from being stored", key, len(b))
	}
	c.ops = append(c.ops, store.Op{Type: store.OpPut, Key: key, Value: append([]byte{recordVersion}, b...)})
	return nil
}

func (c *changes) delete(key string) {
	c.ops = append(c.ops, store.Op{Type: store.OpDelete, Key: key})
}

func (c *changes) putJob(box Box, j *job) error {
	if j.newContent != nil {
		c.ops = append(c.ops, store.Op{Type: store.OpPut, Key: keyContent + string(j.Job.ID), Value: j.newContent})
	}
	r, key := j.record, keyJob+string(j.Job.ID)
	if len(r.Job.Options) > 0 {
		sealed, err := json.Marshal(box.Seal(r.Job.Options, []byte(key)))
		if err != nil {
			return fmt.Errorf("seal options of %s: %w", key, err)
		}
		r.Job.Options = sealed
	}
	return c.put(key, &r)
}

func (c *changes) deleteJob(id core.JobID) {
	c.delete(keyJob + string(id))
	c.delete(keyContent + string(id))
}

func (c *changes) putDownloader(box Box, d core.DesiredDownloader) error {
	r := downloaderRecord{DesiredDownloader: d}
	r.Settings = box.Seal(d.Settings, []byte(keyDownloader+string(d.ID)))
	r.DesiredDownloader.Settings = nil
	return c.put(keyDownloader+string(d.ID), &r)
}

func (c *changes) putStorage(box Box, s core.DesiredStorage) error {
	r, key := storageRecord{DesiredStorage: s}, keyStorage+string(s.ID)
	r.DesiredStorage.Settings = nil
	if len(s.Settings) > 0 {
		r.Settings = box.Seal(s.Settings, []byte(key))
	}
	return c.put(key, &r)
}

// commit writes everything at once; it is on the disk when it returns.
func (l *journal) commit(ctx context.Context, c *changes) error {
	_, err := l.kv.Commit(ctx, &store.Txn{Then: c.ops})
	return err
}

// content returns the torrent or metalink file of a job.
func (l *journal) content(ctx context.Context, id core.JobID) ([]byte, error) {
	e, err := l.kv.Get(ctx, keyContent+string(id))
	if err != nil || e == nil {
		return nil, err
	}
	return e.Value, nil
}

// each calls fn for all records with a prefix.
func (l *journal) each(ctx context.Context, prefix string, fn func(id string, value []byte) error) error {
	after := ""
	for {
		r, err := l.kv.Range(ctx, store.RangeRequest{Prefix: prefix, After: after})
		if err != nil {
			return err
		}
		for _, e := range r.Entries {
			if err := fn(strings.TrimPrefix(e.Key, prefix), e.Value); err != nil {
				return fmt.Errorf("record %s: %w", e.Key, err)
			}
			after = e.Key
		}
		if !r.More {
			return nil
		}
	}
}

func decode(value []byte, v any) error {
	if len(value) == 0 || value[0] != recordVersion {
		return fmt.Errorf("unknown version of the record")
	}
	return json.Unmarshal(value[1:], v)
}

// load reads the journal. A record that cannot be read is logged and left
// where it is; it does not keep the others from going on.
func (n *Node) load(ctx context.Context) error {
	bad := func(err error, kind, id string) {
		n.unreadable[kind+id] = true
		n.log.Error("a record of the journal cannot be read", "record", kind+id, "err", err)
	}
	if err := n.loadOrphans(ctx); err != nil {
		return err
	}
	if err := n.loadRemnants(ctx); err != nil {
		return err
	}
	err := n.journal.each(ctx, keyStorage, func(id string, value []byte) error {
		s, err := n.journal.storage(id, value)
		if err != nil {
			bad(err, keyStorage, id)
			return nil
		}
		n.storages[s.ID] = newDepot(s)
		return nil
	})
	if err != nil {
		return err
	}
	err = n.journal.each(ctx, keyDownloader, func(id string, value []byte) error {
		d, err := n.journal.downloader(id, value)
		if err != nil {
			bad(err, keyDownloader, id)
			return nil
		}
		n.backends[d.ID] = newBackend(d)
		return nil
	})
	if err != nil {
		return err
	}
	return n.journal.each(ctx, keyJob, func(id string, value []byte) error {
		j := &job{}
		if err := n.journal.job(id, value, &j.record); err != nil {
			bad(err, keyJob, id)
			return nil
		}
		j.fileCount = countFiles(j.Files)
		// What was about to be sent when the node ended may have been sent.
		j.sent = j.Phase >= core.JobAdding
		n.jobs[j.Job.ID] = j
		return nil
	})
}

// job reads a record. Options that were stored as an object are as they are.
func (l *journal) job(id string, value []byte, r *record) error {
	if err := decode(value, r); err != nil || !bytes.HasPrefix(r.Job.Options, []byte{'"'}) {
		return err
	}
	var sealed []byte
	err := json.Unmarshal(r.Job.Options, &sealed)
	if err == nil {
		r.Job.Options, err = l.box.Open(sealed, []byte(keyJob+id))
	}
	return err
}

func (l *journal) downloader(id string, value []byte) (core.DesiredDownloader, error) {
	var r downloaderRecord
	if err := decode(value, &r); err != nil {
		return core.DesiredDownloader{}, err
	}
	settings, err := l.box.Open(r.Settings, []byte(keyDownloader+id))
	if err != nil {
		return core.DesiredDownloader{}, err
	}
	r.DesiredDownloader.Settings = settings
	return r.DesiredDownloader, nil
}

func (l *journal) storage(id string, value []byte) (core.DesiredStorage, error) {
	var r storageRecord
	if err := decode(value, &r); err != nil {
		return core.DesiredStorage{}, err
	}
	if len(r.Settings) > 0 {
		settings, err := l.box.Open(r.Settings, []byte(keyStorage+id))
		if err != nil {
			return core.DesiredStorage{}, err
		}
		r.DesiredStorage.Settings = settings
	}
	return r.DesiredStorage, nil
}
