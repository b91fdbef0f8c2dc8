package core

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Selection says which files of a source are wanted; the zero value wants all.
//
// A file is wanted when its index or a pattern names it (where neither says
// anything, every file is named), no pattern with "!" excludes it, and its size
// is within all bounds. Patterns are those of path.Match, without case; one
// without a slash is for the name alone, any other for the whole path.
//
// In JSON it is a list of indexes, patterns, and bounds such as ">=50MiB".
type Selection struct {
	// Indexes count from 0 in the order of the source, ascending.
	Indexes []int
	// Patterns may begin with "!", which excludes.
	Patterns []string
	// MinSize and MaxSize are in bytes and inclusive; 0 is no bound.
	MinSize, MaxSize int64
}

// IsZero reports whether all files are wanted.
func (s Selection) IsZero() bool {
	return len(s.Indexes) == 0 && len(s.Patterns) == 0 && s.MinSize == 0 && s.MaxSize == 0
}

// Equal reports whether both say the same.
func (s Selection) Equal(o Selection) bool {
	return slices.Equal(s.Indexes, o.Indexes) && slices.Equal(s.Patterns, o.Patterns) &&
		s.MinSize == o.MinSize && s.MaxSize == o.MaxSize
}

// NeedsFiles reports whether the list of files is needed to tell what is wanted.
func (s Selection) NeedsFiles() bool { return len(s.Patterns) > 0 || s.MinSize > 0 || s.MaxSize > 0 }

// Wants reports whether a file is wanted.
func (s Selection) Wants(f downloader.File) bool {
	if f.Size < s.MinSize || s.MaxSize > 0 && f.Size > s.MaxSize {
		return false
	}
	_, named := slices.BinarySearch(s.Indexes, f.Index)
	anyNamed := len(s.Indexes) > 0
	for _, p := range s.Patterns {
		pattern, excludes := strings.CutPrefix(p, "!")
		switch {
		case excludes && matches(pattern, f.Path):
			return false
		case !excludes:
			anyNamed = true
			named = named || matches(pattern, f.Path)
		}
	}
	return named || !anyNamed
}

// Choose returns the indexes of the wanted ones among all files, ascending.
func (s Selection) Choose(files []downloader.File) []int {
	out := make([]int, 0, len(files))
	for _, f := range files {
		if s.Wants(f) {
			out = append(out, f.Index)
		}
	}
	slices.Sort(out)
	return out
}

func matches(pattern, file string) bool {
	pattern, file = strings.ToLower(pattern), strings.ToLower(file)
	if !strings.Contains(pattern, "/") {
		file = path.Base(file)
	}
	ok, err := path.Match(pattern, file)
	return ok && err == nil
}

// MarshalJSON implements json.Marshaler.
func (s Selection) MarshalJSON() ([]byte, error) { return json.Marshal(s.Items()) }

// Items returns what ParseSelection reads: ints and strings.
func (s Selection) Items() []any {
	items := make([]any, 0, len(s.Indexes)+len(s.Patterns)+2)
	for _, i := range s.Indexes {
		items = append(items, i)
	}
	for _, p := range s.Patterns {
		items = append(items, p)
	}
	if s.MinSize > 0 {
		items = append(items, ">="+strconv.FormatInt(s.MinSize, 10))
	}
	if s.MaxSize > 0 {
		items = append(items, "<="+strconv.FormatInt(s.MaxSize, 10))
	}
	return items
}

// UnmarshalJSON implements json.Unmarshaler. Errors are *SelectionError.
func (s *Selection) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var items []any
	if err := d.Decode(&items); err != nil {
		return &SelectionError{Index: -1, Message: "must be a list of indexes, patterns and sizes"}
	}
	parsed, err := ParseSelection(items)
	if err == nil {
		*s = parsed
	}
	return err
}

// SelectionError says what is wrong with one item of a selection.
type SelectionError struct {
	// Index is that of the item, -1 for the list itself.
	Index   int
	Message string
}

// Error implements error.
func (e *SelectionError) Error() string {
	if e.Index < 0 {
		return "the selection " + e.Message
	}
	return fmt.Sprintf("item %d of the selection %s", e.Index, e.Message)
}

// MaxSelection is how many items a selection may have.
const MaxSelection = 100_000

// maxPatterns is how many of them may be patterns: each file is held against each.
const maxPatterns = 100

// ParseSelection reads a selection from JSON values: an index is an int or a
// json.Number, all others are strings. Errors are *SelectionError.
func ParseSelection(items []any) (Selection, error) {
	var s Selection
	if len(items) > MaxSelection {
		return s, &SelectionError{-1, fmt.Sprintf("has more than %d items", MaxSelection)}
	}
	for i, item := range items {
		if err := s.add(item); err != nil {
			return Selection{}, &SelectionError{i, err.Error()}
		}
	}
	if len(s.Patterns) > maxPatterns {
		return Selection{}, &SelectionError{-1, fmt.Sprintf("has more than %d patterns", maxPatterns)}
	}
	slices.Sort(s.Indexes)
	for i := 1; i < len(s.Indexes); i++ {
		if s.Indexes[i] == s.Indexes[i-1] {
			return Selection{}, &SelectionError{-1, fmt.Sprintf("names file %d again", s.Indexes[i])}
		}
	}
	if s.MaxSize > 0 && s.MinSize > s.MaxSize {
		return Selection{}, &SelectionError{-1, "asks for a size that no file can have"}
	}
	return s, nil
}

func (s *Selection) add(item any) error {
	switch v := item.(type) {
	case int:
		return s.addIndex(int64(v))
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return errors.New("must be a whole number")
		}
		return s.addIndex(n)
	case float64:
		if v != float64(int64(v)) {
			return errors.New("must be a whole number")
		}
		return s.addIndex(int64(v))
	case string:
		return s.addText(strings.TrimSpace(v))
	}
	return errors.New("must be an index, a pattern or a size")
}

func (s *Selection) addIndex(n int64) error {
	if n < 0 || n > 1<<31-1 {
		return errors.New("must be at least 0")
	}
	s.Indexes = append(s.Indexes, int(n))
	return nil
}

func (s *Selection) addText(text string) error {
	if text == "" || text == "!" {
		return errors.New("is empty")
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return s.addIndex(n)
	}
	if text[0] == '<' || text[0] == '>' {
		return s.addSize(text)
	}
	if _, err := path.Match(strings.TrimPrefix(text, "!"), ""); err != nil {
		return errors.New("is no valid pattern")
	}
	s.Patterns = append(s.Patterns, text)
	return nil
}

func (s *Selection) addSize(text string) error {
	rest, inclusive := strings.CutPrefix(text[1:], "=")
	n, err := parseBytes(rest)
	if err != nil {
		return err
	}
	switch {
	case text[0] == '>' && !inclusive:
		n++
	case text[0] == '<' && !inclusive:
		n--
	}
	if n <= 0 {
		return errors.New("is no useful size")
	}
	if text[0] == '>' {
		s.MinSize = max(s.MinSize, n)
	} else if s.MaxSize == 0 || n < s.MaxSize {
		s.MaxSize = n
	}
	return nil
}

// byteUnits are those of sizes; longer names first.
var byteUnits = []struct {
	name   string
	factor int64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"tib", 1 << 40},
	{"kb", 1e3},
	{"mb", 1e6},
	{"gb", 1e9},
	{"tb", 1e12},
	{"k", 1 << 10},
	{"m", 1 << 20},
	{"g", 1 << 30},
	{"t", 1 << 40},
	{"b", 1},
}

func parseBytes(text string) (int64, error) {
	number, factor := strings.ToLower(strings.TrimSpace(text)), int64(1)
	for _, u := range byteUnits {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, factor = strings.TrimSpace(rest), u.factor
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n < 0 || n*float64(factor) > 1<<62 {
		return 0, errors.New("needs a size such as 50MiB")
	}
	return int64(n * float64(factor)), nil
}
