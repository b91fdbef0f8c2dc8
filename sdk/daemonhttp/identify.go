package daemonhttp

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

// rootTimeout is how long the look at a foreign server's front page may take.
const rootTimeout = 3 * time.Second

var titlePattern = regexp.MustCompile(`(?is)<title[^>]*>\s*(.{0,200}?)\s*</title>`)

// Foreign explains an answer that the daemon would not give: errs.NotADownloader
// with what the server seems to be, or what the proxy in between says.
func (c *Client) Foreign(ctx context.Context, resp *Response) error {
	if resp.Status == http.StatusRequestEntityTooLarge {
		return errs.New(errs.DownloaderError, "The proxy in front of %s refuses a request of that size.", c.daemon.Name).
			WithHint("Raise the proxy's limit on request bodies.")
	}
	if resp.Status >= http.StatusBadGateway && resp.Status <= http.StatusGatewayTimeout {
		return errs.New(errs.DownloaderUnreachable, "The proxy at %s does not reach %s (status %d).", c.url.Host, c.daemon.Name, resp.Status).
			WithHint("Check that %s runs, and the proxy's configuration.", c.daemon.Name)
	}
	if wantsTLS(resp) {
		return errs.New(errs.NotADownloader, "The server at %s speaks TLS alone.", c.url.Host).
			WithHint("Write https:// in place of http:// in the address.")
	}
	what := c.serverKind(resp)
	if what == "" {
		what = c.serverKindAtRoot(ctx)
	}
	if what == "" {
		what = "a web server"
	}
	return errs.New(errs.NotADownloader, "%s answers at %s, not %s (status %d for %s).",
		upperFirst(what), c.url.Host, c.daemon.Name, resp.Status, resp.path).
		WithHint("%s", c.foreignHint(resp))
}

// wantsTLS knows how web servers tell that they were spoken to in plain HTTP.
func wantsTLS(resp *Response) bool {
	body := strings.ToLower(string(resp.Body[:min(len(resp.Body), 4<<10)]))
	return resp.Status == http.StatusBadRequest &&
		(strings.Contains(body, "http request to an https server") || strings.Contains(body, "plain http request was sent to https port") ||
			strings.Contains(body, "speaking plain http to an ssl-enabled server"))
}

func (c *Client) foreignHint(resp *Response) string {
	to, err := url.Parse(resp.Header.Get("Location"))
	if resp.Status/100 == 3 && err == nil && to.Path != "" {
		place := to.Path
		if to.Host != "" {
			place = to.Host + to.Path
		}
		return "The server redirects to " + place + "; give that address, if it is " + c.daemon.Name + "'s."
	}
	return "Correct the host, port and path: " + c.daemon.Name + " is usually at an address like " + c.daemon.Example + "."
}

// serverKind names the server by one answer; "" where that says nothing.
func (c *Client) serverKind(resp *Response) string {
	server := strings.ToLower(resp.Header.Get("Server"))
	what := ""
	switch {
	case strings.Contains(server, "transmission"), resp.Header.Get("X-Transmission-Session-Id") != "":
		what = "Transmission"
	case strings.Contains(server, "qbittorrent"), strings.HasPrefix(title(resp.Body), "qBittorrent"):
		what = "qBittorrent"
	case resp.Header.Get("Www-Authenticate") != "":
		return "a server that asks for a login of its own"
	}
	if what != "" && what != c.daemon.Name {
		return what
	}
	if t := title(resp.Body); t != "" && resp.Status < http.StatusBadRequest {
		return `a web server with the page "` + t + `"`
	}
	return ""
}

// serverKindAtRoot looks at the server's front page.
func (c *Client) serverKindAtRoot(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, rootTimeout)
	defer cancel()
	root := *c.url
	root.Path = "/"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, root.String(), nil)
	if err != nil {
		return ""
	}
	resp, err := c.Do(ctx, req)
	if err != nil {
		return ""
	}
	return c.serverKind(resp)
}

func title(body []byte) string {
	m := titlePattern.FindSubmatch(body[:min(len(body), 64<<10)])
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
