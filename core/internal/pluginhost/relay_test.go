package pluginhost

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestRelayKeepsLevelsAndForgesNothing(t *testing.T) {
	tests := []struct {
		name, line string
		want       []string
	}{
		{"hclog's level and keys", `{"@level":"info","@message":"hi","@module":"rpc","n":1}`, []string{"[INFO]", "hi", "module=rpc", "n=1"}},
		{"a number as message", `{"@message": 5}`, []string{"[DEBUG]", "5"}},
		{"an unknown level", `{"@level":"loud","@message":"x"}`, []string{"[DEBUG]", "x"}},
		{"a prefix names the level", `[WARN] mind the gap`, []string{"[WARN]", "mind the gap"}},
		{"plain text", `just text`, []string{"[DEBUG]", "just text"}},
		{"a line inside of a message", `{"@message":"a\n2026-01-01 [ERROR] forged"}`, []string{"[DEBUG]", "a 2026-01-01 [ERROR] forged"}},
		{"a terminal's commands", "\x1b[31mred", []string{"[DEBUG]", " [31mred"}},
		{"JSON that is no object", `[1,2]`, []string{"[DEBUG]", "[1,2]"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			newRelay(hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &out}), defaultTuning()).stderr([]byte(tt.line), false)
			if !hasAll(out.String(), tt.want) || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("logged %q, want %q", out.String(), tt.want)
			}
		})
	}
}

func TestLastWordsAreThePanic(t *testing.T) {
	r := newRelay(hclog.NewNullLogger(), defaultTuning())
	for _, line := range []string{"[ERROR] before", "panic: boom", "", "goroutine 1 [running]:", "main.main()"} {
		r.stderr([]byte(line), false)
	}
	if got := r.LastWords(); got != "panic: boom" {
		t.Errorf("last words %q", got)
	}
}

func TestBucketReportsWhatItDrops(t *testing.T) {
	b := bucket{rate: 10, burst: 5, tokens: 5}
	now := time.Unix(100, 0)
	passed := 0
	for range 50 {
		if b.take(now, 1) {
			passed++
		}
	}
	if passed != 5 || b.dropped != 45 {
		t.Errorf("passed %d, dropped %d", passed, b.dropped)
	}
	if !b.take(now.Add(time.Second), 1) {
		t.Error("it never recovers")
	}
	if !b.take(now.Add(time.Minute), 1000) {
		t.Error("a line that is larger than the burst never passes")
	}
}

func TestLinesAreCut(t *testing.T) {
	long := strings.Repeat("a", 3*maxLine)
	input := "one\n" + long + "\n\nlast"
	want := fmt.Sprintf("one|%s+||last|", long[:maxLine])
	var got strings.Builder
	take := func(line []byte, cut bool) {
		got.Write(line)
		if cut {
			got.WriteByte('+')
		}
		got.WriteByte('|')
	}
	_ = readLines(strings.NewReader(input), take)
	if got.String() != want {
		t.Errorf("readLines gives %d bytes, want %d", got.Len(), len(want))
	}

	got.Reset()
	w := &lineWriter{fn: take}
	for rest := input + "\n"; rest != ""; {
		n := 1 + rand.IntN(min(len(rest), maxLine))
		if written, err := w.Write([]byte(rest[:n])); written != n || err != nil {
			t.Fatal(written, err)
		}
		rest = rest[n:]
	}
	if got.String() != want {
		t.Errorf("lineWriter gives %d bytes, want %d", got.Len(), len(want))
	}
}
