package lab

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

func get(t *testing.T, url, rng string) (*http.Response, []byte, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if rng != "" {
		req.Header.Set("Range", rng)
	}
	resp, err := newClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, body, err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func TestWebServesFilesWithKnownDigests(t *testing.T) {
	w := StartWeb(t)
	for _, path := range []string{"/data/a.bin", "/data/b.bin", "/bytes/12345/c.bin", "/bytes/0/empty", "/slow/1000000/100000", "/slow/1000000/5000/d.bin", "/paced/1000000/5000/d.bin", "/nolength/70000/e"} {
		t.Run(path, func(t *testing.T) {
			_, body, err := get(t, w.URL+path, "")
			if err != nil || digest(body) != w.SHA256(path) {
				t.Errorf("%d bytes with another digest, %v", len(body), err)
			}
			if n := w.Requests(path); n != 1 {
				t.Errorf("%d requests counted, want 1", n)
			}
			if n := w.Sent(path); n != int64(len(body)) {
				t.Errorf("%d bytes counted, want %d", n, len(body))
			}
		})
	}
	if w.SHA256("/data/a.bin") == w.SHA256("/data/b.bin") {
		t.Error("two files are alike")
	}
	if w.SHA256("/slow/5/70000/x") != SlowSHA256(70000) {
		t.Error("slow files differ by rate or name")
	}
}

func TestWebAnswersRangesOfItsFiles(t *testing.T) {
	w := StartWeb(t)
	for _, path := range []string{"/data/a.bin", "/slow/1000000/100000"} {
		_, whole, err := get(t, w.URL+path, "")
		if err != nil {
			t.Fatal(err)
		}
		resp, part, err := get(t, w.URL+path, "bytes=1003-2010")
		if err != nil || resp.StatusCode != http.StatusPartialContent || string(part) != string(whole[1003:2011]) {
			t.Errorf("%s: status %d, %d bytes, %v", path, resp.StatusCode, len(part), err)
		}
	}
}

func TestWebMisbehavesAsTold(t *testing.T) {
	w := StartWeb(t)
	for path, want := range map[string]int{
		"/status/404": 404, "/status/503/x.torrent": 503, "/redirect?to=" + w.URL + "/data/x": 200,
		"/gate/unknown": 404, "/slow/0/10": 404, "/bytes/many/x": 404, "/jsonrpc": 200, "/x.torrent": 200,
	} {
		resp, body, err := get(t, w.URL+path, "")
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s: status %d, want %d, %v", path, resp.StatusCode, want, err)
		}
		if html := strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html"); html != (path == "/jsonrpc" || path == "/x.torrent") {
			t.Errorf("%s: %.40q", path, body)
		}
	}
	if resp, _, _ := get(t, w.URL+"/named?n=x%20y.bin", ""); resp.Header.Get("Content-Disposition") != `attachment; filename="x y.bin"` {
		t.Errorf("named: %v", resp.Header)
	}
	if resp, body, err := get(t, w.URL+"/cut/1000/x", ""); err == nil || resp.ContentLength != 1000 || len(body) != 500 {
		t.Errorf("cut: %d of %d bytes, %v", len(body), resp.ContentLength, err)
	}
	if resp, _, err := get(t, w.URL+"/nolength/1000/x", ""); err != nil || resp.ContentLength != -1 {
		t.Errorf("nolength: %d, %v", resp.ContentLength, err)
	}
}

func TestWebWithTLSIsTrustedByNobody(t *testing.T) {
	w := StartTLSWeb(t)
	resp, err := newClient().Get(w.URL + "/data/x")
	if err == nil {
		_ = resp.Body.Close()
		t.Fatal("the certificate was accepted")
	}
	if !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestGateHoldsTheLastByte(t *testing.T) {
	w := StartWeb(t)
	g := w.Gate("g.bin", 100_000)
	var body []byte
	var err error
	var wg sync.WaitGroup
	wg.Go(func() { _, body, err = get(t, g.URL, "") })
	g.Wait()
	before := time.Now()
	at := g.Release()
	wg.Wait()
	if err != nil || digest(body) != g.SHA256 || g.SHA256 != w.SHA256("/gate/g.bin") {
		t.Errorf("%d bytes with another digest, %v", len(body), err)
	}
	if at.Before(before) || at.After(time.Now()) {
		t.Errorf("last byte at %s, released at %s", at, before)
	}
}

func TestAHangingRequestEndsWithTheServer(t *testing.T) {
	w := newWeb(t)
	w.server.Start()
	var wg sync.WaitGroup
	wg.Go(func() {
		if resp, err := newClient().Get(w.server.URL + "/hang"); err == nil {
			_ = resp.Body.Close()
			t.Error("the server has answered")
		}
	})
	waitFor(t, 10*time.Second, "the request", func() bool { return w.Requests("/hang") > 0 })
	w.close()
	wg.Wait()
}

func TestSlowFilesKeepTheirRate(t *testing.T) {
	const rate = 200_000
	began := time.Now()
	rec := httptest.NewRecorder()
	p := slowPayload(rate / 2)
	if _, err := io.Copy(rec, newPaced(t.Context(), p.reader(), rate)); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took < 450*time.Millisecond || digest(rec.Body.Bytes()) != p.sha256() {
		t.Errorf("half a second's worth took %s", took)
	}
}
