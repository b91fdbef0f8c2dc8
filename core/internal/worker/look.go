package worker

import (
	"context"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/source"
)

// look asks an HTTP server for the name and size of a file: with HEAD, and where
// that is refused or says no size, with a GET of its first byte.
func (f *fetcher) look(ctx context.Context, uri string) (*core.FetchedSource, error) {
	head, headErr := f.ask(ctx, http.MethodHead, uri)
	if headErr == nil && head.Size >= 0 {
		return head, nil
	}
	first, err := f.ask(ctx, http.MethodGet, uri)
	if err != nil && headErr == nil {
		return head, nil
	}
	return first, err
}

func (f *fetcher) ask(ctx context.Context, method, uri string) (*core.FetchedSource, error) {
	req, err := newRequest(ctx, method, uri)
	if err != nil {
		return nil, err
	}
	if method == http.MethodGet {
		req.Header.Set("Range", "bytes=0-0")
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return nil, fetchError(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusPartialContent {
		if err := statusError(resp.StatusCode); err != nil {
			return nil, err
		}
	}
	return &core.FetchedSource{
		Kind: downloader.SourceHTTP, Name: nameOf(resp), Size: sizeOf(resp),
		Resumable: resp.StatusCode == http.StatusPartialContent || resp.Header.Get("Accept-Ranges") == "bytes",
	}, nil
}

// nameOf returns what a server calls a file (RFC 6266), else what its address ends with.
func nameOf(resp *http.Response) string {
	if _, params, err := mime.ParseMediaType(resp.Header.Get("Content-Disposition")); err == nil {
		name := path.Base(strings.ReplaceAll(params["filename"], "\\", "/"))
		if name != "." && name != "/" && name != ".." {
			return name
		}
	}
	_, name, err := source.ParseURL(resp.Request.URL.String())
	if err != nil {
		return ""
	}
	return name
}

// sizeOf returns the size of the whole file, -1 where the server does not say.
func sizeOf(resp *http.Response) int64 {
	if resp.StatusCode != http.StatusPartialContent {
		return resp.ContentLength
	}
	_, all, found := strings.Cut(resp.Header.Get("Content-Range"), "/")
	size, err := strconv.ParseInt(all, 10, 64)
	if !found || err != nil {
		return -1
	}
	return size
}

// JobFiles implements core.Session.
func (s *session) JobFiles(ctx context.Context, id core.JobID) ([]downloader.File, error) {
	reply := make(chan []downloader.File, 1)
	if !s.node.post(filesAsked{id, reply}) {
		return nil, errStopped()
	}
	select {
	case files := <-reply:
		if files == nil {
			return nil, errNoJob(id)
		}
		return files, nil
	case <-s.node.ended:
		return nil, errStopped()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
