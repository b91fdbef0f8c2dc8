package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// all reads a list page by page.
func (f *fixture) all(t testing.TB, filter store.TaskFilter) []core.TaskID {
	t.Helper()
	ids := []core.TaskID{}
	for {
		tasks, next, err := f.Tasks(t.Context(), filter)
		if err != nil {
			t.Fatal(err)
		}
		for _, task := range tasks {
			ids = append(ids, task.ID)
		}
		if next == "" {
			return ids
		}
		filter.Cursor = next
	}
}

func TestATaskComesBackAsItWasStored(t *testing.T) {
	f := open(t)
	now := time.Now().UTC()
	want := core.Task{
		ID: core.NewID[core.TaskID](), Owner: alice, Name: "ü/\"<x>", InfoHash: strings.Repeat("ab", 20),
		Source: core.TaskSource{Kind: downloader.SourceTorrent, URI: "x.torrent", Uploaded: true},
		Wish:   core.WishCancel, State: core.StateHeld, Attempt: 3, WantedNode: "wn", WantedDownloader: "wd",
		Error: &core.Failure{Code: errs.OutOfSpace, Message: "m", Hint: "h", Retryable: true, At: now},
		Node:  "n", Downloader: "d", Job: "j", Destination: core.Destination{Storage: "s", Path: "p/q"},
		Files: []core.DeliveredFile{{Index: 1, Path: "a/b", Size: 1 << 50}}, Removed: []core.DeliveredFile{{Path: "c", Size: 2}},
		TotalBytes: 1 << 60, CreatedAt: now, StartedAt: &now, DownloadedAt: &now, DeliveredAt: &now,
		CompletedAt: &now, DeletedAt: &now, DeleteData: true, InfoHashV2: strings.Repeat("cd", 32), Private: true,
		OnConflict: core.ConflictSkip, Seed: &core.SeedPolicy{Enabled: true, Ratio: 1.5}, DoneBytes: 5, UploadedBytes: 6,
		Retries: core.Retries{Used: 1, Limit: 3, NextAt: &now}, HeldUntil: &now, JoinedAt: 4, LeftAt: 7, LogSeen: 8, Events: 9,
		Named: true, Selection: core.Selection{Indexes: []int{1, 3}, Patterns: []string{"!*.nfo"}, MinSize: 5}, Options: []byte(`{"split":"2"}`), Resumes: 1,
	}
	for v, i := reflect.ValueOf(want), 0; i < v.NumField(); i++ {
		if v.Field(i).IsZero() {
			t.Errorf("the test leaves %s empty", v.Type().Field(i).Name)
		}
	}
	content := []byte("d4:infod4:name1:xee")
	if err := f.CreateTasks(t.Context(), []store.NewTask{{Task: want, Content: content}}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Task(t.Context(), want.ID)
	if err != nil || !reflect.DeepEqual(*got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
	if got, err := f.Content(t.Context(), want.ID); err != nil || string(got) != string(content) {
		t.Errorf("content %q, %v", got, err)
	}
	f.update(t, func(tx *store.Tx) error { return tx.PutContent(want.ID, nil) })
	f.update(t, func(tx *store.Tx) error { return tx.DeleteContent(want.ID) })
	f.update(t, func(tx *store.Tx) error { return tx.DeleteContent(want.ID) })
	_, err = f.Content(t.Context(), want.ID)
	wantCode(t, err, errs.NotFound)
}

func TestATaskIsCreatedOnce(t *testing.T) {
	f := open(t)
	a, b := newTask(alice, core.StateQueued), newTask(alice, core.StateQueued)
	f.create(t, a)
	wantCode(t, f.CreateTasks(t.Context(), []store.NewTask{{Task: b}, {Task: a}}), errs.Conflict)
	wantCode(t, f.CreateTasks(t.Context(), []store.NewTask{{Task: b}, {}}), errs.Internal)
	_, err := f.Task(t.Context(), b.ID)
	wantCode(t, err, errs.NotFound)
	if err := f.CreateTasks(t.Context(), nil); err != nil {
		t.Error("none at all:", err)
	}
	if c, err := f.TaskCounts(t.Context()); err != nil || c.ByState[core.StateQueued] != 1 {
		t.Errorf("counts %+v, %v", c, err)
	}
}

func TestAnIdThatIsNoneIsNotFound(t *testing.T) {
	f := open(t)
	ids := f.create(t, newTask(alice, core.StateQueued))
	for _, id := range []core.TaskID{"", "/", "../user", core.TaskID(strings.Repeat("x", 10_000)), "x\x00", ids[0] + "/", ids[0][:35]} {
		_, err := f.Task(t.Context(), id)
		wantCode(t, err, errs.NotFound)
		_, err = f.Content(t.Context(), id)
		wantCode(t, err, errs.NotFound)
		f.update(t, func(tx *store.Tx) error {
			_, err := tx.Task(id)
			wantCode(t, err, errs.NotFound)
			return nil
		})
	}
	_, err := f.UserByName(t.Context(), strings.Repeat("x", 10_000))
	wantCode(t, err, errs.NotFound)
	if got := f.all(t, store.TaskFilter{Owner: core.UserID(strings.Repeat("x", 10_000))}); len(got) != 0 {
		t.Errorf("of nobody: %q", got)
	}
	if got := f.all(t, store.TaskFilter{States: []core.TaskState{"nonsense"}}); len(got) != 0 {
		t.Errorf("in no state: %q", got)
	}
}

// TestListsAgreeWithAScan compares every filter, page size and order with what
// a plain look at all tasks says, while the tasks live their lives.
func TestListsAgreeWithAScan(t *testing.T) {
	f := open(t)
	rng := rand.New(rand.NewPCG(1, 2))
	tasks := map[core.TaskID]*core.Task{}
	for range 150 {
		task := newTask([]core.UserID{alice, bob}[rng.IntN(2)], core.TaskStates[rng.IntN(len(core.TaskStates))])
		task.Name = fmt.Sprintf("Name %d", rng.IntN(5))
		f.create(t, task)
		tasks[task.ID] = &task
	}
	for range 3 {
		f.update(t, func(tx *store.Tx) error {
			for _, task := range tasks {
				changeAnyhow(rng, task)
				if err := tx.PutTask(task); err != nil {
					return err
				}
			}
			return nil
		})
		for _, filter := range manyFilters() {
			for _, filter.Limit = range []int{0, 1, 7, 150} {
				if got, want := f.all(t, filter), wanted(tasks, filter); !slices.Equal(got, want) {
					t.Fatalf("%+v: got %d tasks, want %d\n%v\n%v", filter, len(got), len(want), got, want)
				}
			}
		}
		checkCounts(t, f, tasks)
	}
	f.update(t, func(tx *store.Tx) error {
		var err error
		for id := range tasks {
			err = errors.Join(err, tx.DeleteTask(id))
		}
		return err
	})
	if left := f.dump(t, "task"); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func changeAnyhow(rng *rand.Rand, task *core.Task) {
	task.State = core.TaskStates[rng.IntN(len(core.TaskStates))]
	task.Node = core.NodeID([]string{"", "n1", "n2"}[rng.IntN(3)])
	task.Downloader = core.DownloaderID([]string{"", "d1", "d2"}[rng.IntN(3)])
	task.Job = core.JobID([]string{"", "j1", "j2"}[rng.IntN(3)])
	task.DeletedAt = nil
	if rng.IntN(4) == 0 {
		now := time.Now().UTC()
		task.DeletedAt = &now
	}
}

func manyFilters() []store.TaskFilter {
	var out []store.TaskFilter
	for _, f := range []store.TaskFilter{
		{},
		{IncludeDeleted: true},
		{Node: "n1"},
		{Downloader: "d2"},
		{Text: "NAME 3"},
		{Text: "nothing has this"},
		{States: []core.TaskState{core.StateQueued}},
		{States: []core.TaskState{core.StateCompleted, core.StateQueued, core.StateHeld}},
		{States: core.TaskStates},
		{States: []core.TaskState{core.StateFailed}, Downloader: "d1"},
	} {
		for _, f.Owner = range []core.UserID{"", alice, bob, "nobody"} {
			for _, f.OldestFirst = range []bool{false, true} {
				out = append(out, f)
			}
		}
	}
	return out
}

func wanted(tasks map[core.TaskID]*core.Task, f store.TaskFilter) []core.TaskID {
	out := []core.TaskID{}
	for id, t := range tasks {
		if (f.IncludeDeleted || t.DeletedAt == nil) && (f.Owner == "" || f.Owner == t.Owner) &&
			(f.Node == "" || f.Node == t.Node) && (f.Downloader == "" || f.Downloader == t.Downloader) &&
			(len(f.States) == 0 || slices.Contains(f.States, t.State)) &&
			strings.Contains(strings.ToLower(t.Name), strings.ToLower(f.Text)) {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	if !f.OldestFirst {
		slices.Reverse(out)
	}
	return out
}

func checkCounts(t *testing.T, f *fixture, tasks map[core.TaskID]*core.Task) {
	t.Helper()
	want := &store.TaskCounts{
		ByState: map[core.TaskState]int64{}, ByOwner: map[core.UserID]map[core.TaskState]int64{},
		ByDownloader: map[core.DownloaderID]map[core.TaskState]int64{},
	}
	byJob := map[core.JobID]int{}
	for _, task := range tasks {
		byJob[task.Job]++
		if task.DeletedAt != nil {
			continue
		}
		want.ByState[task.State]++
		count(want.ByOwner, task.Owner, task.State)
		if task.Downloader != "" {
			count(want.ByDownloader, task.Downloader, task.State)
		}
	}
	if got, err := f.TaskCounts(t.Context()); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("counts %+v, %v\nwant %+v", got, err, want)
	}
	for _, job := range []core.JobID{"j1", "j2", "none"} {
		if got, err := f.TasksOfJob(t.Context(), job); err != nil || len(got) != byJob[job] {
			t.Errorf("%d tasks of job %s, want %d; %v", len(got), job, byJob[job], err)
		}
	}
}

func count[ID comparable](m map[ID]map[core.TaskState]int64, id ID, state core.TaskState) {
	if m[id] == nil {
		m[id] = map[core.TaskState]int64{}
	}
	m[id][state]++
}

func TestACursorOfSomethingElseIsRefused(t *testing.T) {
	f := open(t)
	f.create(t, newTask(alice, core.StateQueued), newTask(alice, core.StateQueued))
	f.update(t, func(tx *store.Tx) error {
		return errors.Join(tx.PutUser(&core.User{ID: alice, Name: "a"}), tx.PutUser(&core.User{ID: bob, Name: "b"}))
	})
	_, next, err := f.Tasks(t.Context(), store.TaskFilter{Limit: 1})
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	_, users, err := f.Users(t.Context(), 1, "")
	if err != nil || users == "" {
		t.Fatal(users, err)
	}
	for name, filter := range map[string]store.TaskFilter{
		"nonsense":               {Cursor: "%%%"},
		"good letters, no sense": {Cursor: "AAAA"},
		"of another list":        {Cursor: users},
		"of the other direction": {Cursor: next, OldestFirst: true},
		"cut off":                {Cursor: next[:8]},
	} {
		if _, _, err := f.Tasks(t.Context(), filter); !errs.Is(err, errs.InvalidCursor) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	_, _, err = f.Users(t.Context(), 1, next)
	wantCode(t, err, errs.InvalidCursor)
}

func TestASearchThatFindsLittleAnswersInPieces(t *testing.T) {
	f := open(t)
	oldest := newTask(alice, core.StateCompleted)
	oldest.Name = "needle"
	f.create(t, oldest)
	for range 6 {
		hay := make([]core.Task, store.MaxScanned/5)
		for i := range hay {
			hay[i] = newTask(alice, core.StateCompleted)
		}
		f.create(t, hay...)
	}
	filter := store.TaskFilter{Text: "needle", Limit: 10}
	tasks, next, err := f.Tasks(t.Context(), filter)
	if err != nil || len(tasks) != 0 || next == "" {
		t.Fatalf("%d tasks, cursor %q, %v", len(tasks), next, err)
	}
	if got := f.all(t, filter); len(got) != 1 || got[0] != oldest.ID {
		t.Errorf("got %v", got)
	}
}
