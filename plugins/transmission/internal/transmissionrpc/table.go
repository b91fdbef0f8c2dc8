package transmissionrpc

import (
	"context"

	"github.com/haul-dl/haul/sdk/errs"
)

// Table is what torrent-get answers in its shortest form: rows without keys.
type Table struct {
	columns map[string]int
	rows    [][]any
}

// Table asks for fields of the torrents with these info hashes, of all where
// ids is nil. It fails like Call.
func (c *Client) Table(ctx context.Context, ids, fields []string) (Table, error) {
	args := map[string]any{"fields": fields, "format": "table"}
	if ids != nil {
		args["ids"] = ids
	}
	var answer struct {
		Torrents [][]any `json:"torrents"`
	}
	if err := c.Call(ctx, "torrent-get", args, &answer); err != nil {
		return Table{}, err
	}
	if len(answer.Torrents) == 0 {
		return Table{}, errs.New(errs.DownloaderError, "Transmission gave an answer that haul does not understand.")
	}
	t := Table{columns: map[string]int{}, rows: answer.Torrents[1:]}
	for i, name := range answer.Torrents[0] {
		if s, ok := name.(string); ok {
			t.columns[s] = i
		}
	}
	return t, nil
}

// Rows yields all rows.
func (t Table) Rows(yield func(Row) bool) {
	for _, values := range t.rows {
		if !yield(Row{t.columns, values}) {
			return
		}
	}
}

// Row is one torrent. A field that the daemon does not know, or that is of
// another type than it should, has its zero value.
type Row struct {
	columns map[string]int
	values  []any
}

func (r Row) value(field string) any {
	if i, ok := r.columns[field]; ok && i < len(r.values) {
		return r.values[i]
	}
	return nil
}

// Text returns a field that is a string.
func (r Row) Text(field string) string {
	s, _ := r.value(field).(string)
	return s
}

// Float returns a field that is a number.
func (r Row) Float(field string) float64 {
	n, _ := r.value(field).(float64)
	return n
}

// Int returns a field that is a whole number.
func (r Row) Int(field string) int64 { return int64(r.Float(field)) }

// Texts returns a field that is a list of strings.
func (r Row) Texts(field string) []string {
	list, _ := r.value(field).([]any)
	var out []string
	for _, v := range list {
		if s, ok := v.(string); ok {
			out = append(out, s)
		}
	}
	return out
}
