package crash

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"

	"github.com/haul-dl/haul/internal/lab"
)

// daemon is a download daemon that the harness owns: it can kill it, start it
// again, and look into it behind haul's back.
type daemon struct {
	name, plugin string
	settings     map[string]any
	kill, start  func()
	// holds returns what it has, running or ended: URLs, and hashes of torrents.
	holds func() ([]string, error)
	dead  bool
}

func startAria2(t *testing.T, log string) *daemon {
	a := lab.StartAria2(t, lab.Aria2Options{Args: []string{"--max-concurrent-downloads=100", "--min-split-size=64M", "--log=" + log, "--log-level=info"}})
	return &daemon{
		name: "urls", plugin: "aria2", settings: map[string]any{"address": a.Address, "secret": a.Secret},
		kill: a.Kill9, start: a.Restart, holds: func() ([]string, error) { return aria2Holds(a) },
	}
}

func startQBittorrent(t *testing.T) *daemon {
	q := lab.StartQBittorrent(t, lab.QBittorrentOptions{})
	return &daemon{
		name: "torrents", plugin: "qbittorrent",
		settings: map[string]any{"address": q.Address, "username": q.Username, "password": q.Password},
		kill:     q.Kill9, start: q.Restart, holds: func() ([]string, error) { return qbittorrentHolds(q) },
	}
}

func startTransmission(t *testing.T) *daemon {
	tr := lab.StartTransmission(t, lab.TransmissionOptions{})
	return &daemon{
		name: "torrents", plugin: "transmission",
		settings: map[string]any{"address": tr.Address, "username": tr.Username, "password": tr.Password},
		kill:     tr.Kill9, start: tr.Restart, holds: func() ([]string, error) { return transmissionHolds(tr) },
	}
}

// aria2Holds asks for all downloads, at one moment. The metadata of a magnet
// link, and the content that follows it, count as one.
func aria2Holds(a *lab.Aria2) ([]string, error) {
	type call struct {
		Method string `json:"methodName"`
		Params []any  `json:"params"`
	}
	secret, keys := "token:"+a.Secret, []string{"files", "infoHash", "followedBy"}
	calls := []call{
		{"aria2.tellActive", []any{secret, keys}},
		{"aria2.tellWaiting", []any{secret, 0, 1000, keys}},
		{"aria2.tellStopped", []any{secret, 0, 1000, keys}},
	}
	var answers [][1][]struct {
		InfoHash   string
		FollowedBy []string
		Files      []struct{ URIs []struct{ URI string } }
	}
	if err := aria2Call(a, "system.multicall", []any{calls}, &answers); err != nil {
		return nil, err
	}
	var out []string
	for _, answer := range answers {
		for _, d := range answer[0] {
			switch {
			case d.FollowedBy != nil: // the metadata of a magnet link
			case d.InfoHash != "":
				out = append(out, d.InfoHash)
			case len(d.Files) > 0 && len(d.Files[0].URIs) > 0:
				out = append(out, d.Files[0].URIs[0].URI)
			}
		}
	}
	return out, nil
}

func aria2Call(a *lab.Aria2, method string, params []any, into any) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": "1", "method": method, "params": params})
	if err != nil {
		return err
	}
	resp, err := http.Post(a.Address, "application/json", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var answer struct{ Result, Error json.RawMessage }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != nil {
		return fmt.Errorf("%s: %s", method, answer.Error)
	}
	return json.Unmarshal(answer.Result, into)
}

func qbittorrentHolds(q *lab.QBittorrent) ([]string, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Jar: jar}
	login, err := client.PostForm(q.Address+"/api/v2/auth/login", url.Values{"username": {q.Username}, "password": {q.Password}})
	if err != nil {
		return nil, err
	}
	_ = login.Body.Close()
	resp, err := client.Get(q.Address + "/api/v2/torrents/info")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var torrents []struct{ Hash string }
	if err := json.NewDecoder(resp.Body).Decode(&torrents); err != nil {
		return nil, err
	}
	var out []string
	for _, t := range torrents {
		out = append(out, t.Hash)
	}
	return out, nil
}

func transmissionHolds(tr *lab.Transmission) ([]string, error) {
	const session = "X-Transmission-Session-Id"
	ask := func(id string) (*http.Response, error) {
		req, err := http.NewRequest(http.MethodPost, tr.Address, strings.NewReader(`{"method":"torrent-get","arguments":{"fields":["hashString"]}}`))
		if err != nil {
			return nil, err
		}
		req.SetBasicAuth(tr.Username, tr.Password)
		req.Header.Set(session, id)
		return http.DefaultClient.Do(req)
	}
	resp, err := ask("")
	if err != nil {
		return nil, err
	}
	_ = resp.Body.Close()
	if resp, err = ask(resp.Header.Get(session)); err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Arguments struct{ Torrents []struct{ HashString string } }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	var out []string
	for _, t := range answer.Arguments.Torrents {
		out = append(out, t.HashString)
	}
	return out, nil
}
