package cli

import (
	"slices"
	"testing"
)

func TestRatesAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "none": 0, "1000": 1000, "1k": 1024, "500K": 512_000, "1.5M": 1_572_864, "2MiB/s": 2 << 20,
		"2 MB/s": 2_000_000, "10b": 10, " 3g ": 3 << 30, ".5k": 512,
	} {
		if got, err := parseRate(text); err != nil || got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "k", "-1", "+1", "1e3", "inf", "NaN", "0x10", "1.2.3", "1 k k", "99999999G", "1t"} {
		if got, err := parseRate(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestFilesAreReadAndWrittenAsRanges(t *testing.T) {
	for text, want := range map[string]struct {
		files []int
		again string
	}{
		"0": {[]int{0}, "0"}, "0,2-5": {[]int{0, 2, 3, 4, 5}, "0,2-5"}, " 7 , 1 - 2 ,2": {[]int{1, 2, 7}, "1-2,7"}, "all": {nil, ""},
	} {
		got, err := parseFiles(text)
		if err != nil || !got.Given || !slices.Equal(got.Indexes, want.files) || formatFiles(got.Indexes) != want.again {
			t.Errorf("%q: got %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ",", "1,", "-1", "2-", "5-2", "a", "0x1", "1.5", "0-100000", "99999999999999999999", "2147483648"} {
		if got, err := parseFiles(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
