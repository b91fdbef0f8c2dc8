package driver

import (
	"context"
	"encoding/base64"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// addTries is how often an Add begins anew when the torrent that was in its way
// goes while it looks at that.
const addTries = 3

// addition is one torrent to start.
type addition struct {
	handle handle
	// add are the arguments of torrent-add, set those of the torrent-set that
	// follows it, since torrent-add leaves most of them out.
	add, set map[string]any
	// selection is for when the metadata is known.
	selection []int
}

// Add implements downloader.Driver. The info hash makes it idempotent: the
// daemon has each torrent once, and the folder tells whose it is.
func (d *Driver) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	a, err := d.addition(ctx, req)
	if err != nil {
		return downloader.Ref{}, err
	}
	for range addTries {
		done, err := d.add(ctx, req, a)
		if err != nil {
			return downloader.Ref{}, err
		}
		if done {
			return a.handle.ref(req.JobID), nil
		}
	}
	return downloader.Ref{}, errs.New(errs.DownloaderError, "Somebody else adds and removes that torrent at Transmission.")
}

// addition says what a request means for the daemon.
func (d *Driver) addition(ctx context.Context, req downloader.AddRequest) (*addition, error) {
	if err := validate(req); err != nil {
		return nil, err
	}
	o, err := parseOptions(req.Options)
	if err != nil {
		return nil, err
	}
	server, err := d.client.Server(ctx)
	if err != nil {
		return nil, err
	}
	set, err := o.arguments(server.RPC)
	if err != nil {
		return nil, err
	}
	maps.Copy(set, limitArguments(req.Limits))
	a := &addition{
		handle: handle{Place: placeOf(req.Dir)}, set: set,
		add: map[string]any{"download-dir": req.Dir, "paused": req.Paused},
	}
	return a, a.take(req.Source, req.Files)
}

func validate(req downloader.AddRequest) error {
	switch {
	case req.JobID == "" || strings.ContainsFunc(req.JobID, func(r rune) bool { return r <= ' ' || r == ',' || r == 0x7f }):
		return errs.New(errs.InvalidRequest, "The job has no valid id.")
	case !path.IsAbs(req.Dir) || path.Clean(req.Dir) != req.Dir || strings.ContainsFunc(req.Dir, func(r rune) bool { return r < ' ' }):
		// A Windows daemon has other paths; they come by a path_map, if ever.
		return errs.New(errs.PathNotWritable, "The job's directory is not a path that Transmission takes.").
			WithHint("Use a data directory without control characters in its path.")
	}
	return nil
}

// take puts the source in. Of a URL or a path the daemon would take whatever is
// there, even on its own disk: it never gets one.
func (a *addition) take(s downloader.Source, files []int) error {
	switch s.Kind {
	case downloader.SourceMagnet:
		m, err := source.ParseMagnet(s.URI)
		if err != nil {
			return err
		}
		a.handle.Hash, a.selection = m.InfoHash, files
		a.add["filename"] = s.URI
	case downloader.SourceTorrent:
		t, err := source.ParseTorrent(s.Content)
		if err != nil {
			return err
		}
		a.handle.Hash = t.InfoHash
		a.add["metainfo"] = base64.StdEncoding.EncodeToString(s.Content)
		if len(files) > 0 {
			unwanted, err := others(files, len(t.Files))
			if err != nil {
				return err
			}
			if len(unwanted) > 0 {
				a.add["files-unwanted"] = unwanted
			}
		}
	default:
		return errs.New(errs.SourceNotSupported, "Transmission does not take sources of the kind %q.", s.Kind)
	}
	if a.handle.Hash == "" {
		return errs.New(errs.SourceNotSupported, "Transmission does not take what has a v2 info hash alone.").
			WithHint("Use a torrent or a link with a v1 info hash as well (xt=urn:btih:), or another downloader.")
	}
	return nil
}

// others returns the indexes of the files that are not wanted.
func others(wanted []int, files int) ([]int, error) {
	for _, i := range wanted {
		if i < 0 || i >= files {
			return nil, errs.New(errs.InvalidRequest, "The torrent has no file %d: it has %d.", i, files)
		}
	}
	var out []int
	for i := range files {
		if !slices.Contains(wanted, i) {
			out = append(out, i)
		}
	}
	return out, nil
}

// add adds the torrent, unless it is there already, and completes it. It is not
// done when the torrent that was there has gone.
func (d *Driver) add(ctx context.Context, req downloader.AddRequest, a *addition) (done bool, err error) {
	var answer struct {
		Added     *struct{ HashString string } `json:"torrent-added"`
		Duplicate *struct{ HashString string } `json:"torrent-duplicate"`
	}
	if err := d.client.Call(ctx, "torrent-add", a.add, &answer); err != nil {
		return false, addFailure(err, req.Source.Kind)
	}
	switch {
	case answer.Added != nil && answer.Added.HashString == a.handle.Hash:
		return true, d.complete(ctx, req, a, nil)
	case answer.Added != nil:
		d.order(ctx, "torrent-remove", []string{answer.Added.HashString})
		return false, errs.New(errs.InvalidMagnet, "Transmission reads another info hash than haul in that source.")
	}
	t, err := d.torrent(ctx, a.handle.Hash)
	if err != nil || t == nil {
		return false, err
	}
	if placeOf(t.dir) != a.handle.Place {
		server, err := d.client.Server(ctx)
		if err != nil {
			return false, err
		}
		if t.astray(server) {
			return false, d.drop(ctx, t.hash)
		}
		return false, errs.New(errs.InUse, "Transmission has this torrent already, in another folder.").
			WithHint("If it is not haul's, remove it at Transmission; else wait until that task has ended. Then retry.")
	}
	if slices.Contains(t.labels, d.mark(req.JobID, a.handle.Place)) {
		return true, nil
	}
	return true, d.complete(ctx, req, a, t.labels)
}

// complete sets what torrent-add does not take, and the mark with it. A torrent
// that the daemon does not let haul complete is removed again.
func (d *Driver) complete(ctx context.Context, req downloader.AddRequest, a *addition, labels []string) error {
	d.memory.update(a.handle.Hash, func(m *memo) {
		*m = memo{orders: &orders{Limits: req.Limits, Files: req.Files}}
		if len(a.selection) > 0 {
			m.selection = a.selection
		}
	})
	args := ids(a.handle.Hash)
	maps.Copy(args, a.set)
	args["labels"] = d.marked(labels, req.JobID, a.handle.Place, seedTime(req.Limits))
	err := d.client.Call(ctx, "torrent-set", args, nil)
	if refused, ok := asRefusal(err); ok {
		d.order(ctx, "torrent-remove", []string{a.handle.Hash})
		return errs.Wrap(refused, errs.DownloaderError, "Transmission does not take the download's settings: %s.", refused.Result)
	}
	return err
}
