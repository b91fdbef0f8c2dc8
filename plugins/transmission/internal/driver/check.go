package driver

import (
	"context"
	"slices"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Check implements downloader.Driver: one request for all torrents, shared with
// whoever else asks at the time, and a second one when some of them have just
// got their metadata or their data.
func (d *Driver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	handles, err := d.handles(ctx, refs)
	if err != nil {
		return nil, err
	}
	found, err := d.looks.look(ctx, hashesOf(handles))
	if err != nil {
		return nil, err
	}
	jobs := make([]*job, len(refs))
	for i, h := range handles {
		jobs[i] = &job{id: refs[i].JobID, handle: h, torrent: found[h.Hash]}
	}
	if err := d.learn(ctx, jobs); err != nil {
		return nil, err
	}
	d.settle(ctx, jobs)
	out := make([]downloader.Status, len(jobs))
	for i, j := range jobs {
		out[i] = j.status()
	}
	return out, nil
}

// job is one job in one Check.
type job struct {
	id     string
	handle handle
	// torrent is nil where the daemon does not have it. It is shared.
	torrent *torrent
	memo    memo
	// news tells that files were asked for in this Check.
	news bool
}

func hashesOf(handles []handle) []string {
	out := make([]string, 0, len(handles))
	for _, h := range handles {
		if h.Hash != "" {
			out = append(out, h.Hash)
		}
	}
	return out
}

// ours reports whether the daemon has the job, where it belongs.
func (j *job) ours() bool { return j.torrent != nil && placeOf(j.torrent.dir) == j.handle.Place }

// lacks reports whether the daemon has to be asked for files and labels: once
// with the metadata, and once with the data as it is wanted now.
func (j *job) lacks() bool {
	if !j.ours() || !j.torrent.metadata {
		return false
	}
	whole := j.memo.whole && j.memo.size == j.torrent.size
	return !j.memo.detailed || j.torrent.phase().HasData() && !whole
}

// learn fetches what the memory lacks.
func (d *Driver) learn(ctx context.Context, jobs []*job) error {
	var lacking []string
	for _, j := range jobs {
		j.memo = d.memory.get(j.handle.Hash)
		if j.lacks() && !slices.Contains(lacking, j.handle.Hash) {
			lacking = append(lacking, j.handle.Hash)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	details, err := d.details(ctx, lacking)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		one, ok := details[j.handle.Hash]
		if !ok || !j.lacks() {
			continue
		}
		d.selectAtOnce(ctx, j, one)
		d.memory.update(j.handle.Hash, func(m *memo) {
			m.detailed, m.seedTime = true, readSeedTime(one.Labels)
			m.files, m.size, m.whole = one.files, j.torrent.size, j.torrent.phase().HasData()
		})
		j.memo, j.news = d.memory.get(j.handle.Hash), true
	}
	return nil
}

// selectAtOnce makes the selection of a magnet link, whose metadata has just
// come: the daemon begins to load at its next ten-second tick. Failing that,
// the host's own order makes it good.
func (d *Driver) selectAtOnce(ctx context.Context, j *job, of *details) {
	if j.memo.selection == nil {
		return
	}
	if err := d.selectFiles(ctx, j.handle.Hash, j.memo.selection, len(of.files)); err != nil {
		d.logger.Debug("cannot select files at once", "job", j.id, "err", err)
		return
	}
	for i := range of.files {
		of.files[i].Skipped = !slices.Contains(j.memo.selection, i)
	}
	d.memory.update(j.handle.Hash, func(m *memo) { m.selection = nil })
}

// settle starts what the daemon's queue holds back, and stops what shall not
// seed, or not any more. What fails shows in the next look, and is repeated.
func (d *Driver) settle(ctx context.Context, jobs []*job) {
	var held, sated []string
	for _, j := range jobs {
		switch {
		case !j.ours():
		case j.torrent.phase() == downloader.PhaseQueued:
			held = append(held, j.handle.Hash)
		case j.torrent.seedsTooMuch(j.memo.seedTime):
			sated = append(sated, j.handle.Hash)
		}
	}
	d.order(ctx, "torrent-start-now", held)
	d.order(ctx, "torrent-stop", sated)
}

func (d *Driver) order(ctx context.Context, method string, hashes []string) {
	if len(hashes) == 0 {
		return // it would be an order for all torrents
	}
	if err := d.client.Call(ctx, method, ids(hashes...), nil); err != nil {
		d.logger.Debug("an order was not taken", "method", method, "err", err)
	}
}

func ids(hashes ...string) map[string]any { return map[string]any{"ids": hashes} }

// status says how a job fares.
func (j *job) status() downloader.Status {
	if j.torrent == nil {
		return downloader.Status{JobID: j.id, Phase: downloader.PhaseGone}
	}
	t := j.torrent
	s := downloader.Status{
		JobID: j.id, Phase: t.phase(), InfoHash: t.hash, Message: t.message,
		UploadedBytes: t.uploaded, Peers: int(t.peers + t.webSeeds), Seeds: int(t.webSeeds),
	}
	if t.status != stopped {
		s.DownloadRate, s.UploadRate = t.down, t.up
	}
	if t.metadata {
		s.Name, s.TotalBytes, s.DoneBytes = t.name, t.size, max(0, t.size-t.left)
	}
	switch {
	case !j.ours():
		s.Phase, s.Err = downloader.PhaseFailed, errMovedAway()
		return s
	case s.Phase == downloader.PhaseFailed:
		s.Err, s.DoneBytes = t.failure(), 0 // it claims to have all
		return s
	}
	if s.Phase.HasData() || j.news {
		s.Files = j.memo.files
	}
	if s.Phase.HasData() && s.Files == nil {
		s.Phase = downloader.PhaseUnknown // the torrent went meanwhile
	}
	if err := checkFiles(s.Files); err != nil {
		s.Phase, s.Err, s.Files = downloader.PhaseFailed, err, nil
	}
	return s
}

func errUnsafeFile() error {
	return errs.New(errs.UnsafeFile, "Transmission reports a file outside of the job's directory.")
}
