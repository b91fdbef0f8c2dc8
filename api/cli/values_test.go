package cli

import (
	"reflect"
	"testing"

	"github.com/haul-dl/haul/api/client"
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

func TestFilesAreReadAndWrittenAsPeopleWriteThem(t *testing.T) {
	for name, tt := range map[string]struct {
		given []string
		items []any
		again string
	}{
		"one":                     {[]string{"0"}, []any{0}, "0"},
		"ranges":                  {[]string{"0,2-5"}, []any{0, 2, 3, 4, 5}, "0,2-5"},
		"ranges with blanks":      {[]string{" 7 , 1 - 2 ,2"}, []any{1, 2, 7}, "1-2,7"},
		"several times":           {[]string{"3", "1-2", "2"}, []any{1, 2, 3}, "1-3"},
		"patterns, sizes, a list": {[]string{"*.mkv", "!*sample*", "1,0", ">=50MiB"}, []any{0, 1, "*.mkv", "!*sample*", ">=50MiB"}, "0-1 *.mkv !*sample* >=50MiB"},
		"all":                     {[]string{"all"}, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseFiles(tt.given)
			if err != nil || !got.Given || !reflect.DeepEqual(got.Items, tt.items) || formatFiles(&got) != tt.again {
				t.Errorf("got %+v, %v, again %q", got, err, formatFiles(&got))
			}
		})
	}
	for _, text := range []string{"", ",", "1,", "-1", "2-", "5-2", "0-100000", "99999999999999999999", "2147483648"} {
		if got, err := parseFiles([]string{text}); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestLengthsOfTimeAreReadAsPeopleWriteThem(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "0": 0, "90s": 90, "24h": 86_400, "7d": 604_800, "1h30m": 5_400, "1d12h": 129_600} {
		if got, err := parseSpan("x", text); err != nil || got != want {
			t.Errorf("%q: got %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"1", "d", "-1h", "-1d", "1.5d", "99999d", "1d-1h", "a week"} {
		if got, err := parseSpan("x", text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}

func TestPoliciesOfSeedingAreSaidInWords(t *testing.T) {
	for want, policy := range map[string]*client.SeedPolicy{
		"": nil, "no": {}, "without a limit": {Enabled: true},
		"until ratio 1.5 or 7d or idle 1h00m": {Enabled: true, Ratio: 1.5, TimeSeconds: 604_800, IdleSeconds: 3_600},
	} {
		if got := seedText(policy); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
