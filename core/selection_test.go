package core

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
)

var aSeason = []downloader.File{
	{Index: 0, Path: "Show/Sample/sample.mkv", Size: 10 << 20},
	{Index: 1, Path: "Show/S01E01.mkv", Size: 900 << 20},
	{Index: 2, Path: "Show/S01E02.MKV", Size: 950 << 20},
	{Index: 3, Path: "Show/S01E02.srt", Size: 50 << 10},
	{Index: 4, Path: "Show/empty.nfo"},
}

func TestASelectionChoosesFiles(t *testing.T) {
	tests := []struct {
		name, selection string
		want            []int
	}{
		{"nothing said wants all", `[]`, []int{0, 1, 2, 3, 4}},
		{"indexes", `[3, 1]`, []int{1, 3}},
		{"a pattern is for names and has no case", `["*.mkv"]`, []int{0, 1, 2}},
		{"an exclusion", `["*.mkv", "!sample*"]`, []int{1, 2}},
		{"only an exclusion leaves the rest", `["!*.mkv"]`, []int{3, 4}},
		{"a pattern with a slash is for paths", `["Show/Sample/*"]`, []int{0}},
		{"a least size", `[">=100MiB"]`, []int{1, 2}},
		{"two bounds", `[">1MB", "<500MiB"]`, []int{0}},
		{"an index and a pattern add up", `[4, "*.srt"]`, []int{3, 4}},
		{"an index within a bound alone", `[0, 1, ">100MiB"]`, []int{1}},
		{"an index as text, as from a command line", `["2"]`, []int{2}},
		{"nothing at all", `["*.iso"]`, []int{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var s, again Selection
			if err := json.Unmarshal([]byte(tt.selection), &s); err != nil {
				t.Fatal(err)
			}
			if got := s.Choose(aSeason); !slices.Equal(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(b, &again); err != nil || !again.Equal(s) {
				t.Errorf("%s is read back as %+v, %v", b, again, err)
			}
		})
	}
}

func TestABadSelectionIsRefused(t *testing.T) {
	for _, bad := range []string{
		`{}`, `"x"`, `[-1]`, `[1.5]`, `[1, 1]`, `[""]`, `["!"]`, `["[a"]`, `[">x"]`, `["<0"]`, `[">5MB", "<1MB"]`, `[true]`, `[null]`, `[99999999999]`,
	} {
		var s Selection
		var wrong *SelectionError
		if err := json.Unmarshal([]byte(bad), &s); !errors.As(err, &wrong) || !s.IsZero() {
			t.Errorf("%s gives %+v, %v", bad, s, err)
		}
	}
}
