package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
)

// historyKey is that of one entry. Entries sort by their number.
func historyKey(id core.TaskID, seq int) string {
	return fmt.Sprintf("%s%s/%010d", historyPrefix, id, seq)
}

// AppendHistory adds an entry to the history of a task, and gives it the next
// number. The caller stores the task, which counts them. Of the entries the
// newest core.MaxHistory are kept.
func (tx *Tx) AppendHistory(t *core.Task, ev core.HistoryEvent) error {
	if !validID(string(t.ID)) {
		return errs.New(errs.Internal, "%q is not an id of a task.", t.ID)
	}
	t.Events++
	ev.Seq = t.Events
	value, err := json.Marshal(ev)
	if err != nil {
		return errs.Wrap(err, errs.Internal, "The history of task %q cannot be stored.", t.ID)
	}
	tx.put(historyKey(t.ID, ev.Seq), append([]byte{recordVersion}, value...))
	if old := ev.Seq - core.MaxHistory; old > 0 {
		tx.remove(historyKey(t.ID, old))
	}
	return nil
}

// deleteHistory removes all entries of a task.
func (tx *Tx) deleteHistory(t *core.Task) {
	for seq := max(1, t.Events-core.MaxHistory+1); seq <= t.Events; seq++ {
		tx.remove(historyKey(t.ID, seq))
	}
}

// History returns the history of a task, oldest first. Damaged entries are
// logged and left out.
func (s *Store) History(ctx context.Context, id core.TaskID) ([]core.HistoryEvent, error) {
	out := []core.HistoryEvent{}
	if !validID(string(id)) {
		return out, nil
	}
	for w := s.walk(historyPrefix+string(id)+"/", "", false, false, core.MaxHistory); ; w.skip() {
		e, err := w.peek(ctx)
		if err != nil || e == nil {
			return out, err
		}
		var ev core.HistoryEvent
		if len(e.Value) == 0 || e.Value[0] != recordVersion || json.Unmarshal(e.Value[1:], &ev) != nil {
			s.log.Error("passing over a damaged record", "record", e.Key)
			continue
		}
		out = append(out, ev)
	}
}
