package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
)

// aria2Jobs returns how many downloads an aria2 has that have not ended.
func aria2Jobs(t testing.TB, a *lab.Aria2) int {
	t.Helper()
	raw, err := rpc(a, "aria2.getGlobalStat", []any{"token:" + a.Secret})
	if err != nil {
		t.Fatal(err)
	}
	var stat struct{ NumActive, NumWaiting string }
	if err := json.Unmarshal(raw, &stat); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range []string{stat.NumActive, stat.NumWaiting} {
		i, err := strconv.Atoi(s)
		if err != nil {
			t.Fatal(err)
		}
		n += i
	}
	return n
}

// qbittorrentJobs returns how many torrents a qBittorrent has.
func qbittorrentJobs(t testing.TB, q *lab.QBittorrent) int {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	login, err := client.PostForm(q.Address+"/api/v2/auth/login", url.Values{"username": {q.Username}, "password": {q.Password}})
	if err != nil {
		t.Fatal(err)
	}
	_ = login.Body.Close()
	resp, err := client.Get(q.Address + "/api/v2/torrents/info")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var torrents []json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&torrents); err != nil {
		t.Fatal(err)
	}
	return len(torrents)
}

// transmissionJobs returns how many torrents a Transmission has.
func transmissionJobs(t testing.TB, d *lab.Transmission) int {
	t.Helper()
	const session = "X-Transmission-Session-Id"
	ask := func(id string) *http.Response {
		body := strings.NewReader(`{"method":"torrent-get","arguments":{"fields":["hashString"]}}`)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.Address, body)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth(d.Username, d.Password)
		req.Header.Set(session, id)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	resp := ask("")
	id := resp.Header.Get(session)
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	resp = ask(id)
	defer resp.Body.Close()
	var answer struct {
		Arguments struct{ Torrents []json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return len(answer.Arguments.Torrents)
}
