package aria2rpc

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

var titlePattern = regexp.MustCompile(`(?is)<title[^>]*>\s*(.{0,200}?)\s*</title>`)

// foreignServer explains an answer that is not aria2's: body is what resp held.
func foreignServer(ctx context.Context, client *http.Client, at *url.URL, resp *http.Response, body []byte) error {
	if resp.StatusCode == http.StatusRequestEntityTooLarge {
		return errs.New(errs.DownloaderError, "The proxy in front of aria2 refuses a request of that size.").
			WithHint("Raise the proxy's limit on request bodies.")
	}
	if resp.StatusCode >= 502 && resp.StatusCode <= 504 {
		return errs.New(errs.DownloaderUnreachable, "The proxy at %s does not reach aria2 (status %d).", at.Host, resp.StatusCode).
			WithHint("Check that aria2 runs, and the proxy's configuration.")
	}
	what := serverKind(resp, body)
	if what == "" {
		what = serverKindAtRoot(ctx, client, at)
	}
	if what == "" {
		what = "a web server"
	}
	return errs.New(errs.NotADownloader, "%s answers at %s, not aria2 (status %d for %s).",
		upperFirst(what), at.Host, resp.StatusCode, at.Path).
		WithHint("%s", hintFor(resp, at))
}

func hintFor(resp *http.Response, at *url.URL) string {
	if to := resp.Header.Get("Location"); to != "" && resp.StatusCode/100 == 3 {
		return "The server redirects to another address; give that one, if it is aria2's."
	}
	if !strings.HasSuffix(at.Path, defaultPath) {
		return "Correct the host and port; the path of aria2's interface usually ends in /jsonrpc."
	}
	return "Correct the host, port and path. aria2 listens on port 6800 unless told otherwise."
}

// serverKind names the server by one answer; "" where that says nothing.
func serverKind(resp *http.Response, body []byte) string {
	server := resp.Header.Get("Server")
	switch {
	case strings.Contains(server, "Transmission"), resp.Header.Get("X-Transmission-Session-Id") != "":
		return "Transmission"
	case strings.Contains(strings.ToLower(server), "qbittorrent"), strings.HasPrefix(title(body), "qBittorrent"):
		return "qBittorrent"
	case resp.Header.Get("Www-Authenticate") != "":
		return "a server that asks for a login of its own"
	}
	if t := title(body); t != "" && resp.StatusCode < 400 {
		return `a web server with the page "` + t + `"`
	}
	return ""
}

// serverKindAtRoot looks at the server's front page.
func serverKindAtRoot(ctx context.Context, client *http.Client, at *url.URL) string {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	root := *at
	root.Path = "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, root.String(), nil)
	if err != nil {
		return ""
	}
	resp, err := client.Do(req)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return ""
	}
	return serverKind(resp, body)
}

func title(body []byte) string {
	m := titlePattern.FindSubmatch(body)
	if m == nil {
		return ""
	}
	return strings.Join(strings.Fields(strings.ToValidUTF8(html.UnescapeString(string(m[1])), "")), " ")
}

func upperFirst(s string) string {
	if strings.HasPrefix(s, "q") { // qBittorrent writes itself so
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
