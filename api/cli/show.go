package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/haul-dl/haul/sdk/errs"
)

// The values of --format.
const (
	formatTable = "table"
	formatJSON  = "json"
)

// say tells a script a value and a person a sentence.
func (s *shell) say(value any, format string, args ...any) error {
	if s.format == formatJSON {
		return s.json(value)
	}
	_, err := fmt.Fprintln(s.Out, clean(fmt.Sprintf(format, args...)))
	return writeError(err)
}

func (s *shell) json(value any) error {
	enc := json.NewEncoder(s.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return writeError(enc.Encode(value))
}

// listed is a list as the API shows it.
type listed[T any] struct {
	Items []T `json:"items"`
}

// table shows rows to a person; head names the columns.
func (s *shell) table(head []string, rows [][]string) error {
	var text bytes.Buffer
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	if len(head) > 0 {
		_, _ = fmt.Fprintln(w, strings.Join(head, "\t")) // a buffer takes all
	}
	for _, row := range rows {
		for i := range row {
			row[i] = clean(row[i])
		}
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	// The empty cells at a row's end align those of other rows; their padding
	// is of no use.
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(s.Out, strings.TrimRight(line, " \n")); err != nil {
			return writeError(err)
		}
	}
	return nil
}

func writeError(err error) error {
	if err == nil {
		return nil
	}
	return errs.Wrap(err, errs.InvalidRequest, "The result cannot be written.").WithHint("%v", err)
}

// clean takes out what could move a terminal's cursor or worse: names come
// from strangers.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, strings.ToValidUTF8(s, "?"))
}

// size shows bytes with IEC units.
func size(bytes int64) string {
	if bytes < 1024 {
		return fmt.Sprintf("%d B", bytes)
	}
	v, unit := float64(bytes), ""
	for _, unit = range []string{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"} {
		v /= 1024
		if v < 999.95 {
			break
		}
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

func rate(bytes int64) string {
	if bytes <= 0 {
		return ""
	}
	return size(bytes) + "/s"
}

func duration(seconds *int64) string {
	if seconds == nil {
		return ""
	}
	d := time.Duration(*seconds) * time.Second
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%dd", d/(24*time.Hour))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return fmt.Sprintf("%ds", *seconds)
}

func percent(done int64, total *int64) string {
	if total == nil {
		return ""
	}
	if *total == 0 {
		return "100%"
	}
	return fmt.Sprintf("%d%%", int64(float64(done)/float64(*total)*100))
}

// when shows a time in the reader's own zone.
func when(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
