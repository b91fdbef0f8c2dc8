package conformance

import (
	"bytes"
	"encoding/base64"
	"net/url"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
)

// maxTranscript bounds what is kept of a plugin that talks without end.
const maxTranscript = 64 << 20

// transcript is everything that plugins have logged, and their errors. It may be
// used concurrently.
type transcript struct {
	mu  sync.Mutex // guards buf
	buf bytes.Buffer
}

// Write never fails.
func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.buf.Len() < maxTranscript {
		t.buf.Write(b)
	}
	return len(b), nil
}

func (t *transcript) add(line string) {
	_, _ = t.Write([]byte(line + "\n"))
}

// logger writes into the transcript, all levels of it.
func (t *transcript) logger() hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: t})
}

// tail returns the last lines.
func (t *transcript) tail(n int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(t.buf.String()), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// lineWith returns the first line that holds a secret in some usual writing,
// with the secret taken out, and whether there is one.
func (t *transcript) lineWith(secret string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, form := range []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), base64.StdEncoding.EncodeToString([]byte(secret)),
	} {
		at := bytes.Index(t.buf.Bytes(), []byte(form))
		if at < 0 {
			continue
		}
		all := t.buf.String()
		line := all[strings.LastIndexByte(all[:at], '\n')+1:]
		line, _, _ = strings.Cut(line, "\n")
		return strings.ReplaceAll(line, form, "<secret>"), true
	}
	return "", false
}
