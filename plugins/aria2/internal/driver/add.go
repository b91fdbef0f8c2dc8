package driver

import (
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

const (
	maxParts = 10_000
	// chunk is how many downloads of one metalink go into one request.
	chunk = 200
)

// addition is one download to start.
type addition struct {
	gid  string
	call aria2rpc.Call
}

// Add implements downloader.Driver. Concurrent calls share requests.
func (d *Driver) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	if err := validate(req); err != nil {
		return downloader.Ref{}, err
	}
	user, err := d.userOptions.read(req)
	if err != nil {
		return downloader.Ref{}, err
	}
	additions, h, err := d.additions(req, user)
	if err != nil {
		return downloader.Ref{}, err
	}
	if err := d.refuseTaken(ctx, req.JobID, h); err != nil {
		return downloader.Ref{}, err
	}
	j := d.jobs.begin(req.JobID, h)
	if err := d.addAll(ctx, req, additions); err != nil {
		d.jobs.forget(req.JobID)
		return downloader.Ref{}, err
	}
	if d.jobs.added(j) {
		d.watchers.poke(j.gids)
	}
	return h.ref(req.JobID), nil
}

// additions says what a request means for aria2.
func (d *Driver) additions(req downloader.AddRequest, user options) ([]addition, handle, error) {
	gid := gidOf(req.JobID)
	h := handle{Kind: req.Source.Kind, Dir: dirMark(req.Dir)}
	switch req.Source.Kind {
	case downloader.SourceHTTP, downloader.SourceFTP:
		if err := checkURL(req.Source); err != nil {
			return nil, h, err
		}
		if err := checkOnlyFile(req.Files); err != nil {
			return nil, h, err
		}
		o := d.options(req, gid, forFile, user)
		setRates(o, req.Limits, 1)
		if req.Source.Name != "" {
			o["out"] = req.Source.Name
		}
		keepFile(o, req)
		return []addition{{gid, addURI(o, req.Source.URI)}}, h, nil
	case downloader.SourceMagnet, downloader.SourceTorrent:
		return d.torrentAddition(req, user, h)
	case downloader.SourceMetalink:
		return d.metalinkAdditions(req, user, h)
	}
	return nil, h, errs.New(errs.SourceNotSupported, "aria2 does not take sources of the kind %q.", req.Source.Kind)
}

func (d *Driver) torrentAddition(req downloader.AddRequest, user options, h handle) ([]addition, handle, error) {
	gid := gidOf(req.JobID)
	o := d.options(req, gid, forTorrent, user)
	setRates(o, req.Limits, 1)
	for key, value := range seedOptions(req.Limits.Seed) {
		o[key] = value
	}
	if len(req.Files) > 0 {
		o["select-file"] = selection(req.Files)
		h.FilesEnd = slices.Max(req.Files) + 1
	}
	if req.Source.Kind == downloader.SourceMagnet {
		hash, err := checkMagnet(req.Source.URI)
		h.Hash = hash
		return []addition{{gid, addURI(o, req.Source.URI)}}, h, err
	}
	t, err := source.ParseTorrent(req.Source.Content)
	if err != nil {
		return nil, h, err
	}
	if t.InfoHash == "" {
		return nil, h, errs.New(errs.SourceNotSupported, "aria2 does not take torrents of version 2 alone.").
			WithHint("Use a hybrid torrent, or another downloader.")
	}
	if err := checkIndexes(req.Files, len(t.Files)); err != nil {
		return nil, h, err
	}
	h.Hash = t.InfoHash
	content := base64.StdEncoding.EncodeToString(req.Source.Content)
	return []addition{{gid, aria2rpc.NewCall("aria2.addTorrent", content, []string{}, o)}}, h, nil
}

// metalinkAdditions takes a metalink apart: aria2 would give each file a gid of
// its own choice.
func (d *Driver) metalinkAdditions(req downloader.AddRequest, user options, h handle) ([]addition, handle, error) {
	m, err := source.ParseMetalink(req.Source.Content)
	if err != nil {
		return nil, h, err
	}
	if len(m.Files) > maxParts {
		return nil, h, errs.New(errs.InvalidMetalink, "The metalink has more than %d files.", maxParts)
	}
	if err := checkAll(req.Files, len(m.Files)); err != nil {
		return nil, h, err
	}
	h.Parts = len(m.Files)
	out := make([]addition, len(m.Files))
	for i, f := range m.Files {
		gid := partGID(req.JobID, i)
		o := d.options(req, gid, forFile, user)
		setRates(o, req.Limits, h.Parts)
		o["out"] = f.Name
		o[markOption] = d.mark(req, i, len(m.Files))
		if sum := checksum(f); sum != "" {
			o["checksum"], o["check-integrity"] = sum, "true"
		}
		keepFile(o, req)
		out[i] = addition{gid, addURI(o, f.URLs...)}
	}
	return out, h, nil
}

// keepFile lets a file count that is there already: verified where there is a
// checksum, else as far as it goes. One that is too long begins anew.
func keepFile(o options, req downloader.AddRequest) {
	switch {
	case !req.Verify:
	case o["checksum"] == nil:
		o["continue"] = "true"
	default:
		o["check-integrity"] = "true"
	}
}

func addURI(o options, uris ...string) aria2rpc.Call {
	return aria2rpc.NewCall("aria2.addUri", uris, o)
}

func checkMagnet(uri string) (hash string, _ error) {
	m, err := source.ParseMagnet(uri)
	if err != nil {
		return "", err
	}
	if m.InfoHash == "" {
		return "", errs.New(errs.SourceNotSupported, "aria2 does not take magnet links that have a v2 info hash alone.").
			WithHint("Use a link with xt=urn:btih: as well, or another downloader.")
	}
	return m.InfoHash, nil
}

func checkURL(s downloader.Source) error {
	u, err := url.Parse(s.URI)
	if err != nil || u.Host == "" {
		return errs.New(errs.InvalidSource, "That is not a URL.")
	}
	switch strings.ToLower(u.Scheme) {
	case "http", "https", "ftp":
		return nil
	case "ftps":
		return errs.New(errs.SourceNotSupported, "aria2 does not speak ftps.").
			WithHint("Use ftp or https, if the server offers it.")
	}
	return errs.New(errs.SourceSchemeUnknown, "aria2 takes http, https and ftp URLs.")
}

// addAll starts downloads; where one is refused, none of them stays.
func (d *Driver) addAll(ctx context.Context, req downloader.AddRequest, all []addition) error {
	for rest := all; len(rest) > 0; {
		part := rest[:min(chunk, len(rest))]
		rest = rest[len(part):]
		err := d.addChunk(ctx, req, part)
		if err == nil {
			continue
		}
		if isRefusal(err) && len(all) > 1 {
			gids := make([]string, len(all))
			for i, a := range all {
				gids[i] = a.gid
			}
			return errors.Join(err, d.removeGIDs(ctx, gids))
		}
		return err
	}
	return nil
}

// isRefusal reports whether err is about the job, not about the daemon.
func isRefusal(err error) bool {
	switch errs.CodeOf(err) {
	case errs.DownloaderUnreachable, errs.DownloaderAuthFailed, errs.NotADownloader,
		errs.DownloaderTooOld, errs.Canceled, errs.DeadlineExceeded:
		return false
	}
	return true
}

func (d *Driver) addChunk(ctx context.Context, req downloader.AddRequest, part []addition) error {
	calls := make([]aria2rpc.Call, len(part))
	for i, a := range part {
		calls[i] = a.call
	}
	results, err := d.changes.Do(ctx, calls...)
	if err != nil {
		return addFailure(err, req)
	}
	for i, r := range results {
		if r.Err == nil {
			continue
		}
		if err := d.settleRefusal(ctx, req, part[i], r.Err); err != nil {
			return err
		}
	}
	return nil
}

// settleRefusal finds out why aria2 refused a download. It says "No URI to
// download." for a bad URL and for a gid that is taken alike; only a look tells.
// A gid may also be held by what somebody removed by hand, or by the metadata of
// a magnet link whose download was lost: those are cleared away, and the
// download is added again.
func (d *Driver) settleRefusal(ctx context.Context, req downloader.AddRequest, a addition, refusal error) error {
	snap := snapshot{}
	if err := d.look(ctx, snap, a.gid); err != nil {
		return err
	}
	if snap[a.gid] == nil {
		return addFailure(refusal, req)
	}
	if err := d.look(ctx, snap, snap.followers()...); err != nil {
		return err
	}
	if t := snap.resolve(a.gid); t != nil && t.Status != "removed" {
		return nil
	}
	var calls []aria2rpc.Call
	for gid := range snap {
		calls = append(calls, aria2rpc.NewCall("aria2.removeDownloadResult", gid))
	}
	results, err := d.changes.Do(ctx, append(calls, a.call)...)
	if err != nil {
		return err
	}
	if err := results[len(calls)].Err; err != nil {
		return addFailure(err, req)
	}
	return nil
}

// addFailure puts aria2's refusal into the terms of the source's kind.
func addFailure(err error, req downloader.AddRequest) error {
	if e, ok := errors.AsType[*aria2rpc.TooLargeError](err); ok {
		return errs.Wrap(e, errs.TorrentTooLarge, "The file is larger than this aria2 takes (rpc-max-request-size is %d bytes).", e.Limit).
			WithHint("Use a magnet link, or start aria2 with --rpc-max-request-size=64M.")
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err // about the daemon
	}
	e, ok := errors.AsType[*aria2rpc.Error](err)
	if !ok {
		return err
	}
	if strings.Contains(e.Message, "processing the option") && !strings.Contains(e.Message, "checksum") {
		return errs.Wrap(e, errs.DownloaderError, "aria2 refuses the download: %s", e.Message)
	}
	switch req.Source.Kind {
	case downloader.SourceTorrent:
		if strings.Contains(e.Message, "directory traversal") {
			return errs.Wrap(e, errs.UnsafeTorrent, "aria2 refuses the torrent: it names files outside of its folder.")
		}
		return errs.Wrap(e, errs.InvalidTorrent, "aria2 cannot read the torrent: %s", e.Message)
	case downloader.SourceMagnet:
		return errs.Wrap(e, errs.InvalidMagnet, "aria2 does not take this magnet link.").
			WithHint("aria2 needs a v1 info hash: xt=urn:btih: with 40 hex digits or 32 base32 letters.")
	case downloader.SourceMetalink:
		return errs.Wrap(e, errs.InvalidMetalink, "aria2 does not take the metalink's addresses or checksums.")
	}
	return errs.Wrap(e, errs.InvalidSource, "aria2 does not take this URL.")
}
