package driver

import (
	"context"
	"path"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// Check implements downloader.Driver: one request for all downloads of the
// daemon, and a second one where jobs have just got a name or their data.
func (d *Driver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	jobs := make([]*job, len(refs))
	for i, ref := range refs {
		jobs[i] = d.jobs.get(ref)
	}
	snap, err := d.everything(ctx)
	if err != nil {
		return nil, err
	}
	return d.report(ctx, jobs, snap)
}

// report says how jobs fare, and asks for what the snapshot lacks for that.
func (d *Driver) report(ctx context.Context, jobs []*job, snap snapshot) ([]downloader.Status, error) {
	var lacking []string
	for _, j := range jobs {
		lacking = append(lacking, d.lacking(j, snap)...)
	}
	if len(lacking) > 0 {
		if err := d.details(ctx, snap, lacking...); err != nil {
			return nil, err
		}
	}
	out := make([]downloader.Status, len(jobs))
	for i, j := range jobs {
		out[i] = d.status(j, snap)
	}
	return out, nil
}

// lacking returns the downloads of a job whose details are needed.
func (d *Driver) lacking(j *job, snap snapshot) []string {
	name, files := d.jobs.known(j)
	var out []string
	whole := files == nil
	for _, gid := range j.gids {
		t := snap.resolve(gid)
		if t == nil {
			return nil // the job is gone
		}
		whole = whole && t.phase().HasData()
		nameless := name == "" && j.handle.Parts == 0 && t.TotalLength > 0
		if !t.detailed && (nameless || j.mayBeMetadata(t, gid) && t.started()) {
			out = append(out, t.GID)
		}
	}
	if !whole {
		return out
	}
	out = out[:0]
	for _, gid := range j.gids {
		if t := snap.resolve(gid); !t.detailed {
			out = append(out, t.GID)
		}
	}
	return out
}

// mayBeMetadata reports whether a download may be that of a magnet link's
// metadata. It is not where the daemon had the metadata already.
func (j *job) mayBeMetadata(t *task, gid string) bool {
	k := j.handle.Kind
	return (k == downloader.SourceMagnet || k == "") && t.GID == gid && t.InfoHash != ""
}

func (t *task) started() bool { return t.Status == "active" || t.Status == "complete" }

// status puts together what the downloads of a job say.
func (d *Driver) status(j *job, snap snapshot) downloader.Status {
	name, files := d.jobs.known(j)
	s := downloader.Status{JobID: j.id}
	var found []downloader.File
	for i, gid := range j.gids {
		part, more := d.part(j, gid, snap)
		s.Phase = combine(s.Phase, part.Phase)
		if part.Phase == downloader.PhaseFailed && s.Err == nil {
			s.Err, s.Message = part.Err, part.Message
		}
		accumulate(&s, part)
		for _, f := range more {
			if j.handle.Parts > 0 {
				f.Index = i
			}
			found = append(found, f)
		}
		if name == "" && j.handle.Parts == 0 {
			name = part.Name
		}
	}
	s.Name = name
	switch {
	case !s.Phase.HasData():
		files = nil
	case files == nil:
		files = found
	}
	if s.Phase.HasData() && files == nil {
		s.Phase = downloader.PhaseUnknown // it ended just now, the next look has the files
	}
	if err := checkFiles(files); err != nil {
		s.Phase, s.Err, files = downloader.PhaseFailed, err, nil
	}
	s.Files = files
	d.jobs.learn(j, name, files)
	return s
}

// checkFiles refuses a path that leads out of the job's directory; aria2 makes
// none, and no delivery shall have to find out.
func checkFiles(files []downloader.File) error {
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			return errs.New(errs.UnsafeFile, "aria2 reports a file outside of the job's directory.")
		}
	}
	return nil
}

// part says how one download of a job fares, and which files it has once it
// has their data.
func (d *Driver) part(j *job, gid string, snap snapshot) (downloader.Status, []downloader.File) {
	t := snap.resolve(gid)
	if t == nil {
		return downloader.Status{Phase: downloader.PhaseGone}, nil
	}
	if t.GID != gid {
		d.jobs.adopt(t.GID, gid)
	}
	s := downloader.Status{Phase: t.phase(), InfoHash: t.InfoHash}
	if j.mayBeMetadata(t, gid) && !(t.detailed && t.hasMetadata()) {
		return metadataStatus(s, t), nil
	}
	s.TotalBytes, s.DoneBytes = int64(t.TotalLength), int64(t.CompletedLength)
	s.UploadedBytes = int64(t.UploadLength)
	if t.Status == "active" { // aria2 keeps the last rate of what is paused
		s.DownloadRate, s.UploadRate = int64(t.DownloadSpeed), int64(t.UploadSpeed)
		s.Peers, s.Seeds = int(t.Connections), int(t.NumSeeders)
	}
	if s.Phase == downloader.PhaseFailed {
		s.Err, s.Message = t.failure(), t.ErrorMessage
	}
	if !t.detailed {
		return s, nil
	}
	s.Name = t.name()
	if s.Phase.HasData() {
		return s, t.files()
	}
	return s, nil
}

// metadataStatus is for a download of metadata: its size is not the torrent's.
// Metadata that is complete with nothing following was refused by aria2.
func metadataStatus(s downloader.Status, t *task) downloader.Status {
	s.Peers = int(t.Connections)
	switch {
	case s.Phase == downloader.PhaseFailed:
		s.Err, s.Message = t.failure(), t.ErrorMessage
	case !t.started():
	case !t.detailed:
		s.Phase = downloader.PhaseUnknown
	case s.Phase == downloader.PhaseComplete:
		s.Phase = downloader.PhaseFailed
		s.Err = errs.New(errs.UnsafeTorrent, "aria2 refuses the torrent behind the magnet link: its metadata is damaged, or names files outside of its folder.")
	default:
		s.Phase = downloader.PhaseMetadata
	}
	return s
}

// name is that of the torrent or the file.
func (t *task) name() string {
	if t.hasMetadata() {
		return t.BitTorrent.Info.Name
	}
	if len(t.Files) == 1 && t.Files[0].Path != "" {
		return path.Base(t.Files[0].Path)
	}
	return ""
}

// files are those that are wanted, with paths relative to the job's directory.
// A path that is not below it stays as it is, and is refused later.
func (t *task) files() []downloader.File {
	out := make([]downloader.File, 0, len(t.Files))
	dir := strings.TrimRight(t.Dir, "/") + "/"
	for i, f := range t.Files {
		if f.Selected == "false" {
			continue
		}
		out = append(out, downloader.File{
			Index: i, Path: strings.TrimPrefix(f.Path, dir),
			Size: int64(f.Length), DoneBytes: int64(f.CompletedLength),
		})
	}
	return out
}

func accumulate(s *downloader.Status, part downloader.Status) {
	s.InfoHash = part.InfoHash
	s.TotalBytes += part.TotalBytes
	s.DoneBytes += part.DoneBytes
	s.UploadedBytes += part.UploadedBytes
	s.DownloadRate += part.DownloadRate
	s.UploadRate += part.UploadRate
	s.Peers += part.Peers
	s.Seeds += part.Seeds
}

// phaseRank orders phases by which of them a job of several downloads is in.
var phaseRank = map[downloader.Phase]int{
	downloader.PhaseFailed: 9, downloader.PhaseGone: 8, downloader.PhaseUnknown: 7,
	downloader.PhaseDownloading: 6, downloader.PhaseChecking: 5, downloader.PhaseMetadata: 4,
	downloader.PhaseQueued: 3, downloader.PhasePaused: 2, downloader.PhaseSeeding: 1, downloader.PhaseComplete: 0,
}

func combine(a, b downloader.Phase) downloader.Phase {
	if a == "" || phaseRank[b] > phaseRank[a] {
		return b
	}
	return a
}
