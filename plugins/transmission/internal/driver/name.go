package driver

import "strings"

// damagedRPC is the interface of the last version that writes names wrongly.
const damagedRPC = 16

// repairName undoes what Transmission 3.00 does to characters beyond the first
// plane: it writes the five digits of U+1F600 as \u1f600, which every reader
// takes for U+1F60 and a "0". Both readings being possible, the one is chosen
// that people write: emoji over ancient Greek with a digit behind it, and
// mathematical letters over phonetic ones, but Vietnamese, Georgian or a dash
// with a digit or a letter behind it over rare scripts.
func repairName(name string) string {
	if isASCII(name) {
		return name
	}
	runes := []rune(name)
	var out strings.Builder
	for i := 0; i < len(runes); i++ {
		if i+1 < len(runes) {
			if r, ok := joined(runes[i], runes[i+1]); ok {
				out.WriteRune(r)
				i++
				continue
			}
		}
		out.WriteRune(runes[i])
	}
	return out.String()
}

const hexDigits = "0123456789abcdef"

// joined returns the character that a and the digit behind it were.
func joined(a, digit rune) (rune, bool) {
	for value, d := range []rune(hexDigits) {
		if d != digit {
			continue
		}
		r := a<<4 + rune(value)
		emoji, letters := r >= 0x1f000 && r <= 0x1faff, r >= 0x1d400 && r <= 0x1d7ff
		return r, emoji || letters
	}
	return 0, false
}

func isASCII(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0
}
