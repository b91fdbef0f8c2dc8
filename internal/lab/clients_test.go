package lab

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
)

// do makes a request that has to succeed.
func do(t *testing.T, client *http.Client, req *http.Request) *http.Response {
	t.Helper()
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%s: %s, %v: %s", req.URL.Path, resp.Status, err, body)
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp
}

func post(t *testing.T, address, contentType string, body io.Reader) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", contentType)
	return req
}

func marshal(t *testing.T, v any) io.Reader {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(raw)
}

type aria2Client struct{ *Aria2 }

func startAria2Client(t *testing.T) client {
	t.Helper()
	return aria2Client{StartAria2(t, Aria2Options{})}
}

func (c aria2Client) call(t *testing.T, method string, param any) {
	t.Helper()
	body := marshal(t, map[string]any{"jsonrpc": "2.0", "id": "1", "method": method, "params": []any{"token:" + c.Secret, param}})
	do(t, newClient(), post(t, c.Address, "application/json", body))
}

func (c aria2Client) addMagnet(t *testing.T, link string) {
	t.Helper()
	c.call(t, "aria2.addUri", []string{link})
}

func (c aria2Client) addTorrent(t *testing.T, raw []byte) {
	t.Helper()
	c.call(t, "aria2.addTorrent", base64.StdEncoding.EncodeToString(raw))
}

func (c aria2Client) dir() string { return c.Dir }

type qbittorrentClient struct {
	*QBittorrent
	http *http.Client
}

func startQBittorrentClient(t *testing.T) client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := qbittorrentClient{StartQBittorrent(t, QBittorrentOptions{}), newClient()}
	c.http.Jar = jar
	c.login(t)
	return c
}

func (c qbittorrentClient) login(t *testing.T) {
	t.Helper()
	form := url.Values{"username": {c.Username}, "password": {c.Password}}
	do(t, c.http, post(t, c.Address+"/api/v2/auth/login", "application/x-www-form-urlencoded", bytes.NewBufferString(form.Encode())))
}

func (c qbittorrentClient) add(t *testing.T, field, file string, content []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	part, err := w.CreateFormField(field)
	if file != "" {
		part, err = w.CreateFormFile(field, file)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	do(t, c.http, post(t, c.Address+"/api/v2/torrents/add", w.FormDataContentType(), &b))
}

func (c qbittorrentClient) addMagnet(t *testing.T, link string) {
	t.Helper()
	c.add(t, "urls", "", []byte(link))
}

func (c qbittorrentClient) addTorrent(t *testing.T, raw []byte) {
	t.Helper()
	c.add(t, "torrents", "x.torrent", raw)
}

func (c qbittorrentClient) dir() string { return c.Dir }

type transmissionClient struct {
	*Transmission
	session string
}

func startTransmissionClient(t *testing.T) client {
	t.Helper()
	c := transmissionClient{Transmission: StartTransmission(t, TransmissionOptions{})}
	req := post(t, c.Address, "application/json", http.NoBody)
	req.SetBasicAuth(c.Username, c.Password)
	resp, err := newClient().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	c.session = resp.Header.Get("X-Transmission-Session-Id")
	return c
}

func (c transmissionClient) add(t *testing.T, argument, value string) {
	t.Helper()
	body := marshal(t, map[string]any{"method": "torrent-add", "arguments": map[string]string{argument: value}})
	req := post(t, c.Address, "application/json", body)
	req.SetBasicAuth(c.Username, c.Password)
	req.Header.Set("X-Transmission-Session-Id", c.session)
	do(t, newClient(), req)
}

func (c transmissionClient) addMagnet(t *testing.T, link string) {
	t.Helper()
	c.add(t, "filename", link)
}

func (c transmissionClient) addTorrent(t *testing.T, raw []byte) {
	t.Helper()
	c.add(t, "metainfo", base64.StdEncoding.EncodeToString(raw))
}

func (c transmissionClient) dir() string { return c.Dir }
