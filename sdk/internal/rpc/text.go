package rpc

import (
	"strings"
	"unicode/utf8"
)

// Limits of text, in bytes.
const (
	MaxID   = 128
	MaxName = 1024
	MaxText = 4096
	MaxPath = 4096
)

// Clean repairs what is not UTF-8, which protobuf refuses to carry, and cuts s
// to at most limit bytes at the border of a character.
func Clean(s string, limit int) string {
	if len(s) > limit {
		s = s[:limit]
		for i := 0; i < utf8.UTFMax && len(s) > 0 && !utf8.ValidString(s[max(0, len(s)-utf8.UTFMax):]); i++ {
			s = s[:len(s)-1]
		}
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
