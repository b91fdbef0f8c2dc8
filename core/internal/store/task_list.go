package store

import (
	"context"
	"slices"
	"strings"

	"github.com/haul-dl/haul/core"
)

// maxScanned is how many tasks one call of Tasks looks at: a filter that
// matches little answers soon, with less than a page and a cursor.
const maxScanned = 5000

// TaskFilter selects tasks; empty fields select all.
type TaskFilter struct {
	Owner      core.UserID
	States     []core.TaskState
	Node       core.NodeID
	Downloader core.DownloaderID
	// Text is looked for in the name, ignoring case.
	Text string
	// IncludeDeleted also selects what is hidden.
	IncludeDeleted bool
	// OldestFirst reverses the order, which is newest first.
	OldestFirst bool
	// Cursor continues a list of the same order.
	Cursor string
	// Limit is 1 to MaxRange; 0 means MaxRange.
	Limit int
}

// Tasks returns tasks in the order of their creation, and the cursor of the
// rest, which is empty at the end. A page may be short, even empty, while there
// is a cursor. A task that changes its state meanwhile may be left out.
func (s *Store) Tasks(ctx context.Context, f TaskFilter) ([]core.Task, string, error) {
	after, err := decodeCursor(taskList, !f.OldestFirst, f.Cursor)
	if err != nil {
		return nil, "", err
	}
	f.Limit = pageLimit(f.Limit)
	f.Text = strings.ToLower(f.Text)
	sources, err := s.taskSources(ctx, &f)
	if err != nil {
		return nil, "", err
	}
	m := &merge{reverse: !f.OldestFirst}
	for _, from := range sources {
		m.walkers = append(m.walkers, s.walk(from.prefix, after, m.reverse, from.index, f.Limit+1))
	}
	return s.collect(ctx, m, &f)
}

const taskList = "task"

func (s *Store) collect(ctx context.Context, m *merge, f *TaskFilter) ([]core.Task, string, error) {
	out := []core.Task{}
	last := ""
	for scanned := 0; ; scanned++ {
		e, index, err := m.next(ctx)
		if err != nil || e == nil {
			return out, "", err
		}
		if len(out) == f.Limit || scanned == maxScanned {
			return out, encodeCursor(taskList, m.reverse, last), nil
		}
		last = idOf(e.Key)
		t, err := fetch(ctx, s, &s.kinds.task, e, index)
		if err != nil {
			return nil, "", err
		}
		if t != nil && f.matches(t) {
			out = append(out, *t)
		}
	}
}

// matches looks at the whole filter: an index may be a moment older than the record.
func (f *TaskFilter) matches(t *core.Task) bool {
	return (f.IncludeDeleted || t.DeletedAt == nil) &&
		(f.Owner == "" || t.Owner == f.Owner) &&
		(len(f.States) == 0 || slices.Contains(f.States, t.State)) &&
		(f.Node == "" || t.Node == f.Node) &&
		(f.Downloader == "" || t.Downloader == f.Downloader) &&
		(f.Text == "" || strings.Contains(strings.ToLower(t.Name), f.Text))
}

// taskSources chooses the shortest lists that have all wanted tasks. Several
// states come in the order of a task's life: one that moves on while they are
// read is met in the later state.
func (s *Store) taskSources(ctx context.Context, f *TaskFilter) ([]source, error) {
	if f.Owner != "" && !validID(string(f.Owner)) {
		return nil, nil
	}
	if f.IncludeDeleted || f.Owner == "" && len(f.States) == 0 {
		return []source{{prefix: s.kinds.task.prefix()}}, nil
	}
	var byState []source
	for _, state := range core.TaskStates {
		if slices.Contains(f.States, state) {
			byState = append(byState, source{prefix: taskStateIndex + string(state) + "/", index: true})
		}
	}
	if f.Owner == "" {
		return byState, nil
	}
	byOwner := []source{{prefix: taskOwnerIndex + string(f.Owner) + "/", index: true}}
	if len(f.States) == 0 {
		return byOwner, nil
	}
	owned, err := s.sum(ctx, countOwner+string(f.Owner)+"/", nil)
	if err != nil {
		return nil, err
	}
	inStates, err := s.sum(ctx, countState, f.States)
	if err != nil {
		return nil, err
	}
	if inStates < owned {
		return byState, nil
	}
	return byOwner, nil
}

// merge joins lists of ids in one order, each id once.
type merge struct {
	walkers []*walker
	reverse bool
}

// next returns the next entry and whether it is one of an index; nil at the end.
func (m *merge) next(ctx context.Context) (*Entry, bool, error) {
	var first *Entry
	var from *walker
	for _, w := range m.walkers {
		e, err := w.peek(ctx)
		if err != nil {
			return nil, false, err
		}
		if e != nil && (first == nil || m.before(w.id(e), idOf(first.Key))) {
			first, from = e, w
		}
	}
	if first == nil {
		return nil, false, nil
	}
	for _, w := range m.walkers {
		if len(w.buffer) > 0 && w != from && w.id(&w.buffer[0]) == idOf(first.Key) {
			w.skip()
		}
	}
	from.skip()
	return first, from.next.KeysOnly, nil
}

func (m *merge) before(a, b string) bool {
	if m.reverse {
		return a > b
	}
	return a < b
}
