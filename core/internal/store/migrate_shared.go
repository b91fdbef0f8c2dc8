package store

import (
	"bytes"
	"context"
	"encoding/json"
	"strconv"

	"github.com/haul-dl/haul/core"
)

// shareJobs moves what each task of a job wants to its delivery, lists the jobs
// by what they load, and counts the tasks that a storage waits for. It works on
// the JSON: what is sealed stays so.
func shareJobs(ctx context.Context, kv KV) error {
	m := &sharing{kv: kv, inUse: map[string]int64{}, owners: map[string]json.RawMessage{}, hashes: map[string]bool{}}
	if err := each(ctx, kv, "task/", m.task); err != nil {
		return err
	}
	if err := each(ctx, kv, "job/", m.job); err != nil {
		return err
	}
	t := &Txn{}
	for storage, n := range m.inUse {
		t.Then = append(t.Then, Op{Type: OpPut, Key: "task.count/storage/" + storage, Value: strconv.AppendInt(nil, n, 10)})
	}
	_, err := kv.Commit(ctx, t)
	return err
}

// sharing is one run of shareJobs.
type sharing struct {
	kv KV
	// inUse counts the tasks that have not ended by their storages.
	inUse map[string]int64
	// owners are those of the tasks that have a job.
	owners map[string]json.RawMessage
	hashes map[string]bool
}

// each calls fn with every record of a kind that is not damaged.
func each(ctx context.Context, kv KV, prefix string, fn func(ctx context.Context, e *Entry, record map[string]json.RawMessage) error) error {
	for r := (RangeRequest{Prefix: prefix}); ; {
		res, err := kv.Range(ctx, r)
		if err != nil {
			return err
		}
		for i := range res.Entries {
			e := &res.Entries[i]
			r.After = e.Key
			var record map[string]json.RawMessage
			if len(e.Value) == 0 || e.Value[0] != recordVersion || !readJSON(e.Value[1:], &record) {
				continue // damaged: whoever reads it says so
			}
			if err := fn(ctx, e, record); err != nil {
				return err
			}
		}
		if !res.More {
			return nil
		}
	}
}

func readJSON(raw []byte, into any) bool { return json.Unmarshal(raw, into) == nil }

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // what is no text is empty
	return s
}

func (m *sharing) task(_ context.Context, e *Entry, record map[string]json.RawMessage) error {
	if text(record["job"]) != "" {
		m.owners[idOf(e.Key)] = record["owner"]
	}
	var to struct{ Storage string }
	if readJSON(record["destination"], &to) && to.Storage != "" && !core.TaskState(text(record["state"])).Ended() {
		m.inUse[to.Storage]++
	}
	return nil
}

func (m *sharing) job(ctx context.Context, e *Entry, record map[string]json.RawMessage) error {
	var deliveries []map[string]json.RawMessage
	if !readJSON(record["deliveries"], &deliveries) {
		return nil // damaged, too
	}
	for _, d := range deliveries {
		if owner := m.owners[text(d["task"])]; owner != nil {
			d["owner"] = owner
		}
		if files := record["files"]; len(files) > 0 && !bytes.Equal(files, []byte("null")) {
			d["selection"] = files
		}
		if limits := record["limits"]; len(limits) > 0 {
			d["limits"] = limits
		}
		if text(record["wish"]) == string(core.JobPause) {
			d["paused"] = json.RawMessage("true")
		}
	}
	delete(record, "files")
	t := &Txn{If: []Compare{{Key: e.Key, ModRevision: e.ModRevision}}}
	if hash := text(record["info_hash"]); hash != "" {
		key := "job.hash/" + text(record["node"]) + "/" + text(record["downloader"]) + "/" + hash
		if m.hashes[key] {
			delete(record, "info_hash") // an older one loads the same already
		} else {
			m.hashes[key] = true
			t.Then = append(t.Then, Op{Type: OpPut, Key: key, Value: []byte(idOf(e.Key))})
		}
	}
	var err error
	if record["deliveries"], err = json.Marshal(deliveries); err != nil {
		return err
	}
	value, err := json.Marshal(record)
	if err != nil {
		return err
	}
	t.Then = append(t.Then, Op{Type: OpPut, Key: e.Key, Value: append([]byte{recordVersion}, value...)})
	_, err = m.kv.Commit(ctx, t)
	return err
}
