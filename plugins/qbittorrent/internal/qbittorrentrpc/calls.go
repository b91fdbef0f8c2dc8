package qbittorrentrpc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/sdk/errs"
)

var idPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)

// join makes a list of ids. An empty one would mean all torrents to some calls.
func join(ids []string) (string, error) {
	if len(ids) == 0 {
		return "", errs.New(errs.Internal, "A call to qBittorrent names no torrent.")
	}
	for _, id := range ids {
		if !idPattern.MatchString(id) {
			return "", errs.New(errs.Internal, "A call to qBittorrent names a torrent that cannot be.")
		}
	}
	return strings.Join(ids, "|"), nil
}

// Torrents returns those of the ids that the daemon has.
func (c *Client) Torrents(ctx context.Context, ids ...string) ([]*Torrent, error) {
	hashes, err := join(ids)
	if err != nil {
		return nil, err
	}
	var out []*Torrent
	// By POST, since a thousand ids are longer than some proxies let a URL be.
	_, err = c.read(ctx, c.post("torrents/info", url.Values{"hashes": {hashes}}), &out)
	return out, err
}

// Tagged returns all torrents with a tag.
func (c *Client) Tagged(ctx context.Context, tag string) ([]*Torrent, error) {
	var out []*Torrent
	_, err := c.read(ctx, c.get("torrents/info", url.Values{"tag": {tag}}), &out)
	return out, err
}

// Add adds a torrent by its magnet link, or by its file. It reports whether the
// daemon took it: one that it has already it does not take.
func (c *Client) Add(ctx context.Context, fields map[string]string, torrent []byte) (taken bool, err error) {
	contentType, body, err := multipartForm(fields, torrent)
	if err != nil {
		return false, errs.Wrap(err, errs.Internal, "The torrent cannot be sent.")
	}
	resp, _, err := c.do(ctx, c.postBody("torrents/add", contentType, body))
	if err != nil {
		return false, err
	}
	if resp.Status == http.StatusConflict {
		return false, nil
	}
	if err := c.succeeded(ctx, resp); err != nil {
		return false, err
	}
	switch strings.TrimSpace(string(resp.Body)) {
	case "Ok.":
		return true, nil
	case "Fails.":
		return false, nil
	}
	var counts struct {
		Success int `json:"success_count"`
		Pending int `json:"pending_count"`
	}
	if err := json.Unmarshal(resp.Body, &counts); err != nil {
		return false, errNotUnderstood(err)
	}
	return counts.Success+counts.Pending > 0, nil
}

// Delete makes the daemon forget a torrent.
func (c *Client) Delete(ctx context.Context, id string, files bool) error {
	return c.order(ctx, "torrents/delete", url.Values{"deleteFiles": {strconv.FormatBool(files)}}, id)
}

// Stop stops torrents.
func (c *Client) Stop(ctx context.Context, ids ...string) error {
	return c.renamed(ctx, "torrents/pause", "torrents/stop", ids)
}

// Start starts torrents.
func (c *Client) Start(ctx context.Context, ids ...string) error {
	return c.renamed(ctx, "torrents/resume", "torrents/start", ids)
}

// renamed makes a call that has another name since 5.0.
func (c *Client) renamed(ctx context.Context, before, since string, ids []string) error {
	hashes, err := join(ids)
	if err != nil {
		return err
	}
	resp, _, err := c.do(ctx, func(s *Session) (*http.Request, error) {
		method := since
		if s.API.Less(apiStopStart) {
			method = before
		}
		return c.post(method, url.Values{"hashes": {hashes}})(s)
	})
	if err != nil {
		return err
	}
	return c.succeeded(ctx, resp)
}

// ForceStart makes torrents run past the daemon's queue, or not any more.
func (c *Client) ForceStart(ctx context.Context, force bool, ids ...string) error {
	return c.order(ctx, "torrents/setForceStart", url.Values{"value": {strconv.FormatBool(force)}}, ids...)
}

// AddTags puts tags on a torrent.
func (c *Client) AddTags(ctx context.Context, id string, tags ...string) error {
	return c.order(ctx, "torrents/addTags", url.Values{"tags": {strings.Join(tags, ",")}}, id)
}

// RemoveTags takes tags off a torrent.
func (c *Client) RemoveTags(ctx context.Context, id string, tags ...string) error {
	return c.order(ctx, "torrents/removeTags", url.Values{"tags": {strings.Join(tags, ",")}}, id)
}

// DeleteTags removes tags from the daemon's list of tags.
func (c *Client) DeleteTags(ctx context.Context, tags ...string) error {
	return c.change(ctx, "torrents/deleteTags", url.Values{"tags": {strings.Join(tags, ",")}})
}

// SetRates limits a torrent, in bytes per second; 0 is no limit.
func (c *Client) SetRates(ctx context.Context, id string, download, upload int64) error {
	err := c.order(ctx, "torrents/setDownloadLimit", url.Values{"limit": {strconv.FormatInt(download, 10)}}, id)
	if err != nil {
		return err
	}
	return c.order(ctx, "torrents/setUploadLimit", url.Values{"limit": {strconv.FormatInt(upload, 10)}}, id)
}

// SetShareLimits says when a torrent's seeding ends, by the names of torrents/add.
func (c *Client) SetShareLimits(ctx context.Context, id string, fields map[string]string) error {
	form := url.Values{}
	for name, value := range fields {
		form.Set(name, value)
	}
	return c.order(ctx, "torrents/setShareLimits", form, id)
}

// order makes a call about torrents.
func (c *Client) order(ctx context.Context, method string, form url.Values, ids ...string) error {
	hashes, err := join(ids)
	if err != nil {
		return err
	}
	form.Set("hashes", hashes)
	return c.change(ctx, method, form)
}

// Files returns the files of a torrent, none before its metadata is known. It
// reports false for one that the daemon does not have.
func (c *Client) Files(ctx context.Context, id string) (files []File, found bool, err error) {
	if _, err := join([]string{id}); err != nil {
		return nil, false, err
	}
	_, err = c.read(ctx, c.get("torrents/files", url.Values{"hash": {id}}), &files)
	if isStatus(err, http.StatusNotFound) {
		return nil, false, nil
	}
	return files, err == nil, err
}

// SetPriority gives files of a torrent a priority; 0 is not wanted, 1 is normal.
func (c *Client) SetPriority(ctx context.Context, id string, files []int, priority int) error {
	if _, err := join([]string{id}); err != nil || len(files) == 0 {
		return err
	}
	indexes := make([]string, len(files))
	for i, f := range files {
		indexes[i] = strconv.Itoa(f)
	}
	return c.change(ctx, "torrents/filePrio", url.Values{
		"hash": {id}, "id": {strings.Join(indexes, "|")}, "priority": {strconv.Itoa(priority)},
	})
}

// PieceSize returns the size of a torrent's pieces, not positive where it is not
// known.
func (c *Client) PieceSize(ctx context.Context, id string) (int64, error) {
	if _, err := join([]string{id}); err != nil {
		return 0, err
	}
	var properties struct {
		PieceSize int64 `json:"piece_size"`
	}
	_, err := c.read(ctx, c.get("torrents/properties", url.Values{"hash": {id}}), &properties)
	if isStatus(err, http.StatusNotFound) {
		return 0, nil
	}
	return properties.PieceSize, err
}

// Export returns the .torrent file of a torrent, nil where the daemon cannot.
func (c *Client) Export(ctx context.Context, id string) ([]byte, error) {
	if _, err := join([]string{id}); err != nil {
		return nil, err
	}
	resp, s, err := c.do(ctx, c.get("torrents/export", url.Values{"hash": {id}}))
	if err != nil {
		return nil, err
	}
	if !s.API.Exports() {
		return nil, nil
	}
	return resp.Body, c.succeeded(ctx, resp)
}

// Preferences returns qBittorrent's own settings.
func (c *Client) Preferences(ctx context.Context) (Preferences, error) {
	var p Preferences
	_, err := c.read(ctx, c.get("app/preferences", nil), &p)
	return p, err
}

// Warnings returns the warnings of the daemon's log, the newest last.
func (c *Client) Warnings(ctx context.Context) ([]string, error) {
	var entries []struct {
		Message string `json:"message"`
	}
	_, err := c.read(ctx, c.get("log/main", url.Values{
		"normal": {"false"}, "info": {"false"}, "warning": {"true"}, "critical": {"true"}, "last_known_id": {"-1"},
	}), &entries)
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Message
	}
	return out, err
}

func isStatus(err error, status int) bool {
	e, ok := errors.AsType[*StatusError](err)
	return ok && e.Status == status
}
