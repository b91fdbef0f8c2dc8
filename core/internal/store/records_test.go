package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var then = time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)

var (
	exampleUser  = core.User{ID: "u1", Name: "alice", Group: "g1", PasswordHash: "$argon2id$x", CreatedAt: then}
	exampleGroup = core.Group{ID: "g1", Name: "users", Permissions: []core.Permission{core.PermissionDownload}, CreatedAt: then}
	exampleToken = core.Token{ID: "t1", User: "u1", Name: "login", Hash: "abcd", CreatedAt: then, ExpiresAt: then.Add(time.Hour)}
	exampleNode  = core.Node{ID: "n1", Name: "local", CreatedAt: then}
	exampleStore = core.Storage{ID: "s1", Name: "local", Kind: "s3", Settings: []byte(`{"secret_key": "hunter2"}`), Revision: 2, CreatedAt: then}
	exampleJob   = core.Job{
		ID: "j1", Node: "n1", Downloader: "d1", Revision: 2, Wish: core.JobRun, ContentOf: "t1", InfoHash: "ab",
		Source:     core.TaskSource{Kind: downloader.SourceTorrent, URI: "x.torrent", Uploaded: true},
		Deliveries: []core.Delivery{{Task: "t1", Storage: "s1", Path: "alice/x", Attempt: 1, Owner: "u1"}}, CreatedAt: then,
	}
	exampleDownloader = core.Downloader{
		ID: "d1", Name: "aria2", Node: "n1", Plugin: "aria2", Enabled: true, Settings: []byte(`{"secret": "hunter2"}`),
		MaxActive: 5, Weight: 1, PollInterval: 1, Revision: 3, CreatedAt: then,
	}
	exampleKey = store.Idempotency{RequestHash: "h", Tasks: []core.TaskID{"t1"}, CreatedAt: then}
)

func putExamples(tx *store.Tx) error {
	return errors.Join(
		tx.PutUser(&exampleUser), tx.PutGroup(&exampleGroup), tx.PutToken(&exampleToken), tx.PutNode(&exampleNode),
		tx.PutStorage(&exampleStore), tx.PutJob(&exampleJob), tx.PutDownloader(&exampleDownloader),
		tx.PutIdempotency("u1", "key", &exampleKey))
}

func TestEveryRecordComesBackAsItWasStored(t *testing.T) {
	f := open(t)
	f.update(t, putExamples)
	ctx := t.Context()
	check := func(got any, err error, want any) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v, want %+v", got, err, want)
		}
	}
	user, err := f.User(ctx, "u1")
	check(user, err, &exampleUser)
	user, err = f.UserByName(ctx, "alice")
	check(user, err, &exampleUser)
	group, err := f.Group(ctx, "g1")
	check(group, err, &exampleGroup)
	group, err = f.GroupByName(ctx, "users")
	check(group, err, &exampleGroup)
	token, err := f.Token(ctx, "t1")
	check(token, err, &exampleToken)
	token, err = f.TokenByHash(ctx, "abcd")
	check(token, err, &exampleToken)
	node, err := f.Node(ctx, "n1")
	check(node, err, &exampleNode)
	node, err = f.NodeByName(ctx, "local")
	check(node, err, &exampleNode)
	storage, err := f.Storage(ctx, "s1")
	check(storage, err, &exampleStore)
	storage, err = f.StorageByName(ctx, "local")
	check(storage, err, &exampleStore)
	d, err := f.Downloader(ctx, "d1")
	check(d, err, &exampleDownloader)
	d, err = f.DownloaderByName(ctx, "aria2")
	check(d, err, &exampleDownloader)
	job, err := f.Job(ctx, "j1")
	check(job, err, &exampleJob)
	tokens, _, err := f.TokensOf(ctx, "u1", 0, "")
	check(tokens, err, []core.Token{exampleToken})
	f.update(t, func(tx *store.Tx) error {
		i, err := tx.Idempotency("u1", "key")
		want := exampleKey
		want.Owner, want.Key = "u1", "key"
		check(i, err, &want)
		none, err := tx.Idempotency("u1", "another")
		check(none, err, (*store.Idempotency)(nil))
		none, err = tx.Idempotency("u2", "key")
		check(none, err, (*store.Idempotency)(nil))
		byName, err := tx.GroupByName("users")
		check(byName, err, &exampleGroup)
		_, err = tx.TokenByHash("none")
		wantCode(t, err, errs.NotFound)
		return nil
	})
	f.update(t, func(tx *store.Tx) error {
		return errors.Join(tx.DeleteUser("u1"), tx.DeleteGroup("g1"), tx.DeleteToken("t1"), tx.DeleteNode("n1"),
			tx.DeleteStorage("s1"), tx.DeleteJob("j1"), tx.DeleteDownloader("d1"))
	})
	if n, err := f.SweepIdempotency(ctx, then.Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("swept %d, %v", n, err)
	}
	for key := range f.dump(t, "") {
		if !strings.HasPrefix(key, "meta/") {
			t.Errorf("left behind: %q", key)
		}
	}
}

// TestTheStoredFormStays fails when a change would make records of released
// versions unreadable, or leave them out of an index: write a migration then.
func TestTheStoredFormStays(t *testing.T) {
	f := open(t)
	f.update(t, putExamples)
	task := core.Task{
		ID: "t1", Owner: "u1", Source: exampleJob.Source, Name: "x", Wish: core.WishRun, State: core.StateStarting,
		Attempt: 1, Node: "n1", Downloader: "d1", Job: "j1", Destination: core.Destination{Storage: "s1", Path: "p"},
		CreatedAt: then, StartedAt: &then,
	}
	if err := f.CreateTasks(t.Context(), []store.NewTask{{Task: task, Content: []byte("bytes")}}); err != nil {
		t.Fatal(err)
	}
	all := f.dump(t, "")
	var lines []string
	for key, value := range all {
		before, _, sealed := strings.Cut(value, `"settings":"`)
		if sealed {
			value = before + `"settings":"…`
		}
		if key == "meta/key-check" {
			value = "…"
		}
		lines = append(lines, fmt.Sprintf("%s = %q\n", key, value))
	}
	slices.Sort(lines)
	got, path := strings.Join(lines, ""), filepath.Join("testdata", "schema-v2.txt")
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o750), os.WriteFile(path, []byte(got), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || got != string(want) {
		t.Errorf("got\n%s\nwant\n%s%v", got, want, err)
	}
}

func TestNoSecretIsStoredInClear(t *testing.T) {
	f := open(t)
	options := json.RawMessage(`{"http-passwd":"hunter2"}`)
	other := exampleDownloader
	other.ID, other.Name, other.Options = "d2", "other", options
	job := exampleJob
	job.Options = options
	created, put := newTask(alice, core.StateQueued), newTask(alice, core.StateQueued)
	created.Options, put.Options = options, options
	f.create(t, created)
	f.update(t, func(tx *store.Tx) error {
		return errors.Join(tx.PutDownloader(&exampleDownloader), tx.PutDownloader(&other), tx.PutJob(&job), tx.PutTask(&put))
	})
	if got, err := f.Job(t.Context(), job.ID); err != nil || string(got.Options) != string(options) {
		t.Errorf("the job's options are %s, %v", got.Options, err)
	}
	if got, err := f.Downloader(t.Context(), "d2"); err != nil || string(got.Options) != string(options) {
		t.Errorf("the downloader's options are %s, %v", got.Options, err)
	}
	if err := f.kv.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(f.dir, "haul.db"))
	if err != nil || bytes.Contains(file, []byte("hunter2")) {
		t.Error("the secret is in the file", err)
	}
	f.openKV(t)
	// The settings of one downloader do not open in the record of another.
	records := f.dump(t, "downloader/")
	moved := strings.Replace(records["downloader/d1"], `"id":"d1"`, `"id":"d2"`, 1)
	f.spoil(t, "downloader/d2", moved)
	s, err := store.New(t.Context(), f.kv, store.Options{Box: f.box})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Downloader(t.Context(), "d2")
	wantCode(t, err, errs.Internal)
}

func TestOneDamagedRecordDoesNotHideTheOthers(t *testing.T) {
	for name, damage := range map[string]string{
		"nothing": "", "no version": "{}", "another version": "\x09{}", "no JSON": "\x01{", "another id": "\x01{\"id\":\"x\"}",
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t)
			var log bytes.Buffer
			s, err := store.New(t.Context(), f.kv, store.Options{Box: f.box, Logger: hclog.New(&hclog.LoggerOptions{Output: &log})})
			if err != nil {
				t.Fatal(err)
			}
			f.Store = s
			task := newTask(alice, core.StateQueued)
			task.Job = "j2"
			ids := f.create(t, newTask(alice, core.StateQueued), task, newTask(alice, core.StateQueued))
			f.update(t, func(tx *store.Tx) error {
				return errors.Join(tx.PutJob(&core.Job{ID: "j1", Node: "n"}), tx.PutJob(&core.Job{ID: "j2", Node: "n"}),
					tx.PutNode(&core.Node{ID: "n1", Name: "1"}), tx.PutNode(&core.Node{ID: "n2", Name: "2"}))
			})
			for _, key := range []string{"task/" + string(ids[1]), "job/j1", "node/n2"} {
				f.spoil(t, key, damage)
			}
			for _, filter := range []store.TaskFilter{{}, {Owner: alice}, {States: []core.TaskState{core.StateQueued}}} {
				if got := f.all(t, filter); len(got) != 2 {
					t.Errorf("%+v: %d tasks", filter, len(got))
				}
			}
			if got, err := f.TasksOfJob(t.Context(), "j2"); err != nil || len(got) != 0 {
				t.Errorf("of the job: %v, %v", got, err)
			}
			for _, filter := range []store.JobFilter{{}, {Node: "n"}} {
				if got := f.jobs(t, filter); fmt.Sprint(got) != "[j2]" {
					t.Errorf("%+v: jobs %v", filter, got)
				}
			}
			if nodes, _, err := f.Nodes(t.Context(), 0, ""); err != nil || len(nodes) != 1 {
				t.Errorf("nodes %v, %v", nodes, err)
			}
			if !strings.Contains(log.String(), string(ids[1])) {
				t.Errorf("the log does not tell: %s", log.String())
			}
			_, err = f.Task(t.Context(), ids[1])
			wantCode(t, err, errs.Internal)
			wantCode(t, f.Update(t.Context(), func(tx *store.Tx) error { return tx.PutTask(&task) }), errs.Internal)
			f.update(t, func(tx *store.Tx) error { return errors.Join(tx.DeleteTask(ids[1]), tx.DeleteNode("n2")) })
			_, err = f.Task(t.Context(), ids[1])
			wantCode(t, err, errs.NotFound)
			f.update(t, func(tx *store.Tx) error { return tx.PutNode(&core.Node{ID: "n3", Name: "2"}) })
		})
	}
}

func (f *fixture) jobs(t *testing.T, filter store.JobFilter) (ids []core.JobID) {
	t.Helper()
	for job, err := range f.Jobs(t.Context(), filter) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, job.ID)
	}
	return ids
}

func TestJobsAreListedWhileTheyChange(t *testing.T) {
	f := open(t)
	var want []core.JobID
	f.update(t, func(tx *store.Tx) error {
		want = nil
		for i := range 450 {
			job := core.Job{ID: core.NewID[core.JobID](), Node: core.NodeID(fmt.Sprint("n", i%2))}
			if i%2 == 1 {
				want = append(want, job.ID)
			}
			if err := tx.PutJob(&job); err != nil {
				return err
			}
		}
		return nil
	})
	if got := f.jobs(t, store.JobFilter{Node: "n1"}); !slices.Equal(got, want) {
		t.Errorf("%d jobs of a node, want %d", len(got), len(want))
	}
	if got := f.jobs(t, store.JobFilter{Node: "n/1"}); len(got) != 0 {
		t.Errorf("of no node: %v", got)
	}
	seen := 0
	for job, err := range f.Jobs(t.Context(), store.JobFilter{}) {
		if err != nil {
			t.Fatal(err)
		}
		f.update(t, func(tx *store.Tx) error { return tx.DeleteJob(job.ID) })
		if seen++; seen == 440 {
			break
		}
	}
	if got := f.jobs(t, store.JobFilter{}); len(got) != 10 {
		t.Errorf("%d jobs are left", len(got))
	}
}

func TestSmallListsHavePages(t *testing.T) {
	f := open(t)
	f.update(t, func(tx *store.Tx) error {
		for i := range 25 {
			id := fmt.Sprintf("%03d", i)
			if err := tx.PutToken(&core.Token{ID: core.TokenID(id), User: core.UserID(fmt.Sprint("u", i%2)), Hash: id}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, limit := range []int{1, 7, 13, 0} {
		for user, want := range map[core.UserID]int{"u0": 13, "u1": 12, "nobody": 0, "": 0} {
			n := 0
			for cursor := ""; ; {
				tokens, next, err := f.TokensOf(t.Context(), user, limit, cursor)
				if err != nil || limit > 0 && len(tokens) > limit {
					t.Fatal(len(tokens), err)
				}
				if n += len(tokens); next == "" {
					break
				}
				cursor = next
			}
			if n != want {
				t.Errorf("%d tokens of %q in pages of %d, want %d", n, user, limit, want)
			}
		}
	}
}

func TestASweepTakesWhatIsOldAndNothingElse(t *testing.T) {
	f := open(t)
	hour := func(n int) time.Time { return then.Add(time.Duration(n) * time.Hour) }
	f.update(t, func(tx *store.Tx) error {
		for i := range 450 {
			id := fmt.Sprintf("%03d", i)
			if err := tx.PutToken(&core.Token{ID: core.TokenID(id), Hash: id, User: "u", ExpiresAt: hour(i)}); err != nil {
				return err
			}
			if err := tx.PutIdempotency("u", "any/"+id, &store.Idempotency{CreatedAt: hour(i)}); err != nil {
				return err
			}
		}
		return tx.PutToken(&core.Token{ID: "forever", Hash: "forever", User: "u"})
	})
	// One of the old ones is renewed.
	f.update(t, func(tx *store.Tx) error {
		return tx.PutToken(&core.Token{ID: "000", Hash: "000", User: "u", ExpiresAt: hour(1000)})
	})
	if n, err := f.SweepTokens(t.Context(), hour(420)); n != 419 || err != nil {
		t.Errorf("%d tokens, %v", n, err)
	}
	if n, err := f.SweepIdempotency(t.Context(), hour(420)); n != 420 || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	if tokens, _, err := f.Tokens(t.Context(), 0, ""); err != nil || len(tokens) != 32 {
		t.Errorf("%d tokens are left, %v", len(tokens), err)
	}
	if left := f.dump(t, "idempotency"); len(left) != 60 {
		t.Errorf("%d keys are left", len(left))
	}
	for range 2 {
		if n, err := f.SweepTokens(t.Context(), hour(420)); n != 0 || err != nil {
			t.Errorf("again: %d, %v", n, err)
		}
	}
}
