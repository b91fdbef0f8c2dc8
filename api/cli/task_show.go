package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) showCommand() *cobra.Command {
	var history bool
	c := &cobra.Command{
		Use:   "show ID",
		Short: "Show a task",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			t, err := findTask(c.Context(), api, args[0])
			if err != nil {
				return err
			}
			if !history {
				return s.showTask(t)
			}
			events, err := api.TaskHistory(c.Context(), t.ID)
			if err != nil {
				return err
			}
			return s.showHistory(t, events.Items)
		},
	}
	c.Flags().BoolVar(&history, "history", false, "also what happened to it, when and why")
	return c
}

func (s *shell) showTask(t *client.Task) error {
	if s.format == formatJSON {
		return s.json(t)
	}
	return s.details(describe(t))
}

// taskWithHistory is a task as a script gets it with --history.
type taskWithHistory struct {
	*client.Task
	History []client.HistoryEvent `json:"history"`
}

func (s *shell) showHistory(t *client.Task, events []client.HistoryEvent) error {
	if s.format == formatJSON {
		return s.json(taskWithHistory{t, events})
	}
	if err := s.showTask(t); err != nil {
		return err
	}
	if err := s.say(nil, ""); err != nil {
		return err
	}
	rows := make([][]string, len(events))
	for i := range events {
		e := &events[i]
		state := ""
		if e.State != nil {
			state = string(*e.State)
		}
		rows[i] = []string{when(&e.At), string(e.Kind), state, text(e.Code), text(e.By), e.Message}
	}
	return s.table([]string{"AT", "KIND", "STATE", "CODE", "BY", "MESSAGE"}, rows)
}

func describe(t *client.Task) [][2]string {
	p := t.Progress
	loaded := size(p.DoneBytes)
	if p.TotalBytes != nil {
		loaded += " of " + size(*p.TotalBytes) + " (" + percent(p.DoneBytes, p.TotalBytes) + ")"
	}
	return [][2]string{
		{"id", t.ID},
		{"name", t.Name},
		{"state", string(t.State)},
		{"wish", string(t.Wish)},
		{"waiting", waitingOf(t)},
		{"error", errorOf(t)},
		{"hint", hintOf(t)},
		{"held until", when(t.HeldUntil)},
		{"source", string(t.Source.Kind) + " " + t.Source.URI},
		{"info hash", text(t.InfoHash)},
		{"info hash v2", text(t.InfoHashV2)},
		{"private", yes(t.Private)},
		{"owner", t.Owner},
		{"node", text(t.Node)},
		{"downloader", text(t.Downloader)},
		{"files", formatFiles(t.Files)},
		{"options", optionsOf(t.Options)},
		{"destination", t.Destination.Storage + ":/" + t.Destination.Path},
		{"on conflict", string(t.OnConflict)},
		{"seeding", seedText(t.Seed)},
		{"loaded", loaded},
		{"rate", rate(p.DownloadRate)},
		{"time left", duration(p.EtaSeconds)},
		{"sent", sent(t)},
		{"peers", fmt.Sprintf("%d, %d of them seeds", p.Peers, p.Seeds)},
		{"delivered", delivered(t)},
		{"attempt", fmt.Sprint(t.Attempt)},
		{"retries", retries(t)},
		{"created", when(&t.CreatedAt)},
		{"started", when(t.StartedAt)},
		{"downloaded", when(t.DownloadedAt)},
		{"delivered at", when(t.DeliveredAt)},
		{"completed", when(t.CompletedAt)},
	}
}

func waitingOf(t *client.Task) string {
	if t.Waiting == nil {
		return ""
	}
	return t.Waiting.Message
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func sent(t *client.Task) string {
	p := t.Progress
	if p.UploadedBytes == 0 {
		return ""
	}
	return fmt.Sprintf("%s (ratio %.2f)", size(p.UploadedBytes), p.Ratio)
}

func delivered(t *client.Task) string {
	d := t.Delivery
	out := fmt.Sprintf("%d of %d files", d.FilesDone, d.FilesTotal)
	if d.TotalBytes > 0 && d.DoneBytes < d.TotalBytes {
		out += ", " + size(d.DoneBytes) + " of " + size(d.TotalBytes)
	}
	return out
}

// retries tells of the tries that haul makes by itself, once there were any.
func retries(t *client.Task) string {
	r := t.Retries
	if r.Used == 0 && r.NextAt == nil {
		return ""
	}
	out := fmt.Sprintf("%d of %d used", r.Used, r.Limit)
	if r.NextAt != nil {
		out += ", the next at " + when(r.NextAt)
	}
	return out
}

// optionsOf shows options; "" for none.
func optionsOf(raw json.RawMessage) string {
	if shown := compact(raw); shown != "{}" {
		return shown
	}
	return ""
}

func hintOf(t *client.Task) string {
	if t.Error == nil {
		return ""
	}
	return t.Error.Hint
}
