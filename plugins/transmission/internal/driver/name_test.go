package driver

import "testing"

func TestDamagedNamesAreRepaired(t *testing.T) {
	for damaged, want := range map[string]string{
		"plain.txt":        "plain.txt",
		"\u1f600.flac":     "😀.flac",
		"a \u1f44d\u1f3fd": "a 👍🏽",
		"\u1d40a":          "\U0001d40a",
		"1990–2000":        "1990–2000",
		"l’eau":            "l’eau",
		"Tiế1 ạc":          "Tiế1 ạc",
		"日本語":              "日本語",
		"က2":               "က2",
	} {
		if got := repairName(damaged); got != want {
			t.Errorf("%q became %q, want %q", damaged, got, want)
		}
	}
}
