package pluginhost

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/hashicorp/go-hclog"
)

// maxPairs is how many keys of one log line of a plugin are kept.
const maxPairs = 32

// maxLastWords is how much of a plugin's last words an error carries.
const maxLastWords = 512

// wrongCookie begins what go-plugin says in a plugin that was started by
// another program than its own.
const wrongCookie = "This binary is a plugin."

// relay writes what one plugin process says to haul's log: hclog's JSON at its
// own level, text at debug or at the level that its prefix names, and a panic
// with all that follows as errors.
//
// The library's own reader is not used: it panics on a log line such as
// {"@message": 5}, and so ends the host.
type relay struct {
	log hclog.Logger

	mu        sync.Mutex // guards what follows
	limit     bucket
	inPanic   bool
	lastWords string
	foreign   bool
}

func newRelay(log hclog.Logger, t tuning) *relay {
	return &relay{log: log, limit: bucket{rate: t.logRate, burst: t.logBurst, tokens: t.logBurst}}
}

// stderr takes one line that the process wrote to its standard error.
func (r *relay) stderr(line []byte, cut bool) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	admitted := r.admit(len(line))
	if !admitted && !isPanic(string(line[:min(len(line), maxLastWords)])) {
		return // not even parsed: a flood shall cost as little as it can
	}
	r.foreign = r.foreign || bytes.HasPrefix(line, []byte(wrongCookie))
	entry, ok := parseEntry(line, cut)
	if !ok {
		entry = r.parseText(string(line))
	}
	if entry.level >= hclog.Warn {
		r.remember(entry.msg)
	}
	if admitted {
		r.write(entry)
	}
}

// stdout takes one line of text that nobody should have written.
func (r *relay) stdout(line []byte, _ bool) {
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.admit(len(line)) {
		r.write(entry{level: hclog.Debug, msg: string(line), pairs: []any{"stream", "stdout"}})
	}
}

// LastWords returns what the plugin last complained of, or its panic.
func (r *relay) LastWords() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lastWords
}

// isForeign reports whether the process has said that it is a plugin of
// another program.
func (r *relay) isForeign() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.foreign
}

// Close says how much was dropped.
func (r *relay) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reportDropped()
}

// admit reports whether one more line may be logged. A line costs one, and one
// more for each KiB: the limit is one of bytes too.
func (r *relay) admit(size int) bool { return r.limit.take(time.Now(), 1+float64(size>>10)) }

func (r *relay) write(e entry) {
	r.reportDropped()
	r.log.Log(e.level, printable(e.msg), e.pairs...)
}

func (r *relay) reportDropped() {
	if n := r.limit.dropped; n > 0 {
		r.limit.dropped = 0
		r.log.Warn("plugin logs too much, lines were dropped", "lines", n)
	}
}

// remember keeps the reason of a panic rather than its stack.
func (r *relay) remember(msg string) {
	if r.inPanic && r.lastWords != "" && !isPanic(msg) {
		return
	}
	r.lastWords = printable(msg[:min(len(msg), maxLastWords)])
}

func (r *relay) parseText(line string) entry {
	if isPanic(line) {
		r.inPanic = true
		r.lastWords = ""
	}
	if r.inPanic {
		return entry{level: hclog.Error, msg: line}
	}
	for prefix, level := range prefixLevels {
		if strings.HasPrefix(line, prefix) {
			return entry{level: level, msg: strings.TrimSpace(line[len(prefix):])}
		}
	}
	return entry{level: hclog.Debug, msg: line}
}

func isPanic(line string) bool {
	return strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ")
}

var prefixLevels = map[string]hclog.Level{
	"[TRACE]": hclog.Trace, "[DEBUG]": hclog.Debug, "[INFO]": hclog.Info,
	"[WARN]": hclog.Warn, "[ERROR]": hclog.Error,
}

// entry is one line for haul's log.
type entry struct {
	level hclog.Level
	msg   string
	pairs []any
}

// parseEntry reads a line of hclog's JSON. Whatever is not of the expected
// type is written as text, never trusted.
func parseEntry(line []byte, cut bool) (entry, bool) {
	if cut || line[0] != '{' {
		return entry{}, false
	}
	var raw map[string]any
	if json.Unmarshal(line, &raw) != nil {
		return entry{}, false
	}
	e := entry{level: hclog.Debug, msg: text(raw["@message"])}
	if l := hclog.LevelFromString(text(raw["@level"])); l >= hclog.Trace && l <= hclog.Error {
		e.level = l
	}
	for _, k := range []string{"@message", "@level", "@timestamp", "@caller"} {
		delete(raw, k)
	}
	for _, k := range slices.Sorted(maps.Keys(raw)) {
		if len(e.pairs) == 2*maxPairs {
			break
		}
		e.pairs = append(e.pairs, printable(strings.TrimPrefix(k, "@")), text(raw[k]))
	}
	return e, true
}

// text returns a JSON value as one line of text.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// printable replaces what could forge a line of the log, or drive a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// bucket lets rate lines a second through, and burst at once.
type bucket struct {
	rate, burst float64
	tokens      float64
	last        time.Time
	dropped     int
}

func (b *bucket) take(now time.Time, n float64) bool {
	if !b.last.IsZero() {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < min(n, b.burst) {
		b.dropped++
		return false
	}
	b.tokens -= min(n, b.burst)
	return true
}
