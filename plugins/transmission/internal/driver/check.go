package driver

import (
	"context"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
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
	jobs := make([]*job, len(refs))
	for i, ref := range refs {
		jobs[i] = &job{id: ref.JobID, handle: handles[i]}
	}
	found, err := d.looks.look(ctx, hashesOf(jobs))
	if err != nil {
		return nil, err
	}
	for _, j := range jobs {
		j.torrent = found[j.handle.Hash]
	}
	server, err := d.client.Server(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.dropAstray(ctx, server, jobs); err != nil {
		return nil, err
	}
	if err := d.learn(ctx, server, jobs); err != nil {
		return nil, err
	}
	if err := d.dropBlocked(ctx, jobs); err != nil {
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
	// revive tells that it has to be started.
	revive bool
}

func hashesOf(jobs []*job) []string {
	out := make([]string, 0, len(jobs))
	for _, j := range jobs {
		if j.handle.Hash != "" {
			out = append(out, j.handle.Hash)
		}
	}
	return out
}

// ours reports whether the daemon has the job, where it belongs.
func (j *job) ours() bool { return j.torrent != nil && placeOf(j.torrent.dir) == j.handle.Place }

// lacks reports whether the daemon has to be asked for files and labels: once
// with the metadata, once with the data as it is wanted now, and once in each
// of its lives.
func (j *job) lacks(life int) bool {
	if !j.ours() || !j.torrent.metadata {
		return false
	}
	whole := j.memo.whole && j.memo.size == j.torrent.size
	return j.memo.detailed != life || j.torrent.phase().HasData() && !whole
}

// learn fetches what the memory lacks.
func (d *Driver) learn(ctx context.Context, server transmissionrpc.Server, jobs []*job) error {
	var lacking []*job
	for _, j := range jobs {
		j.memo = d.memory.get(j.handle.Hash)
		if j.lacks(server.Life) {
			lacking = append(lacking, j)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	of, err := d.details(ctx, hashesOf(lacking))
	if err != nil {
		return err
	}
	if err := d.restore(ctx, newIn(server.Life, lacking), of); err != nil {
		return err
	}
	for _, j := range lacking {
		if one := of[j.handle.Hash]; one != nil {
			d.selectAtOnce(ctx, j, one)
			d.remember(j, one, server.Life)
		}
	}
	return nil
}

func newIn(life int, jobs []*job) []*job {
	var out []*job
	for _, j := range jobs {
		if j.memo.detailed != life {
			out = append(out, j)
		}
	}
	return out
}

func (d *Driver) remember(j *job, of *details, life int) {
	restarted := j.memo.detailed != 0 && j.memo.detailed != life
	d.memory.update(j.handle.Hash, func(m *memo) {
		m.detailed, m.seedTime = life, readSeedTime(of.Labels)
		m.files, m.size, m.whole = of.files, j.torrent.size, j.torrent.phase().HasData()
		j.memo = *m
	})
	j.news = true
	// It ran, and nobody can have stopped it before the daemon was started again
	// without this process seeing it: the order to go on was lost.
	j.revive = restarted && j.memo.ran && j.torrent.phase() == downloader.PhasePaused
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
	of.choose(j.memo.selection)
	d.memory.update(j.handle.Hash, func(m *memo) { m.selection = nil })
}

// settle starts what the daemon's queue holds back, and stops what shall not
// seed, or not any more. What fails shows in the next look, and is repeated.
func (d *Driver) settle(ctx context.Context, jobs []*job) {
	var held, sated []string
	for _, j := range jobs {
		switch {
		case !j.ours():
			continue
		case j.revive, j.torrent.phase() == downloader.PhaseQueued:
			held = append(held, j.handle.Hash)
		case j.torrent.seedsTooMuch(j.memo.seedTime):
			sated = append(sated, j.handle.Hash)
		}
		if ran := j.revive || j.torrent.status != stopped; ran != j.memo.ran {
			d.memory.update(j.handle.Hash, func(m *memo) { m.ran = ran })
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
	switch {
	case s.Phase.HasData() && s.Files == nil:
		s.Phase = downloader.PhaseUnknown // the torrent went meanwhile
	case s.Phase.HasData():
		s.TotalBytes = wantedBytes(s.Files) // the daemon counts whole pieces
		s.DoneBytes = s.TotalBytes
	}
	if err := checkFiles(s.Files); err != nil {
		s.Phase, s.Err, s.Files = downloader.PhaseFailed, err, nil
	}
	return s
}

func errUnsafeFile() error {
	return errs.New(errs.UnsafeFile, "Transmission reports a file outside of the job's directory.")
}
