package driver

import (
	"path"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// status puts together what the downloads of a job say.
func (d *Driver) status(j *job, snap snapshot) downloader.Status {
	name, files, last := d.jobs.known(j)
	s := downloader.Status{JobID: j.id}
	var found []downloader.File
	for i, gid := range j.gids {
		part := d.part(j, gid, snap, &last)
		s.Phase = combine(s.Phase, part.Phase)
		if part.Phase == downloader.PhaseFailed && s.Err == nil {
			s.Err, s.Message = part.Err, part.Message
		}
		accumulate(&s, part)
		for _, f := range part.Files {
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
		if j.handle.Parts == 0 { // those of a metalink come all together
			s.Files = found
		}
	case files == nil:
		files = found
	}
	if s.Phase.HasData() {
		s.Files = files
		if files == nil {
			s.Phase = downloader.PhaseUnknown // it ended just now, the next look saves the session
		}
	}
	if err := checkFiles(s.Files); err != nil {
		s.Phase, s.Err, s.Files, files = downloader.PhaseFailed, err, nil, nil
	}
	d.jobs.learn(j, name, files, last)
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

// part says how one download of a job fares, with its files where it was looked
// at in detail; last is what was seen of it before, and now.
func (d *Driver) part(j *job, gid string, snap snapshot, last *seen) downloader.Status {
	t := snap.resolve(gid)
	if t == nil {
		return downloader.Status{Phase: downloader.PhaseGone}
	}
	if t.GID != gid {
		d.jobs.adopt(t.GID, gid)
	}
	s := downloader.Status{Phase: t.phase(), InfoHash: t.InfoHash}
	if err := j.wrong(t); err != nil {
		s.Phase, s.Err = downloader.PhaseFailed, err
		return s // and nothing is learnt, so that it stays so
	}
	if t.detailed {
		*last = seenIn(t)
	}
	if j.mayBeMetadata(t, gid) && !(last.gid == t.GID && last.hasInfo) {
		return metadataStatus(s, t)
	}
	t.amounts(&s)
	if last.gid == t.GID && last.hasInfo {
		// aria2 counts the pieces that wanted files lie in, and none before the
		// first start, nor anew while it is paused.
		s.TotalBytes, s.DoneBytes = last.wanted, min(s.DoneBytes, last.wanted)
	}
	if s.Phase == downloader.PhaseFailed {
		s.Err, s.Message = t.failure(), t.ErrorMessage
	}
	if t.detailed {
		s.Name = t.name()
		if whole := s.Phase.HasData(); t.saved && whole || t.hasMetadata() && !whole {
			s.Files = t.files(whole)
		}
	}
	return s
}

// wrong says what haul has against a download that aria2 is content with.
func (j *job) wrong(t *task) error {
	if t.wrong != nil {
		return t.wrong
	}
	if t.detailed && j.handle.Dir != "" && dirMark(t.Dir) != j.handle.Dir {
		return errs.New(errs.MovedAway, "Somebody gave the download another folder at aria2.")
	}
	return nil
}

// mayBeMetadata reports whether a download may be that of a magnet link's
// metadata. It is not where the daemon had the metadata already.
func (j *job) mayBeMetadata(t *task, gid string) bool {
	k := j.handle.Kind
	return (k == downloader.SourceMagnet || k == "") && t.GID == gid && t.InfoHash != ""
}

func (t *task) amounts(s *downloader.Status) {
	s.TotalBytes, s.DoneBytes = int64(t.TotalLength), int64(t.CompletedLength)
	s.UploadedBytes = int64(t.UploadLength)
	if t.Status == "active" { // aria2 keeps the last rate of what is paused
		s.DownloadRate, s.UploadRate = int64(t.DownloadSpeed), int64(t.UploadSpeed)
		s.Peers, s.Seeds = int(t.Connections), int(t.NumSeeders)
	}
}

// metadataStatus is for a download of metadata: its size is not the torrent's.
// Metadata that is complete with nothing following was refused by aria2; but it
// may be the torrent itself, of a daemon that had the metadata saved, so that
// only details tell.
func metadataStatus(s downloader.Status, t *task) downloader.Status {
	s.Peers = int(t.Connections)
	switch {
	case s.Phase == downloader.PhaseFailed:
		s.Err, s.Message = t.failure(), t.ErrorMessage
	case t.Status == "complete" && !t.isMetadata():
		s.Phase = downloader.PhaseUnknown
	case t.Status == "complete":
		s.Phase = downloader.PhaseFailed
		s.Err = errs.New(errs.UnsafeTorrent, "aria2 refuses the torrent behind the magnet link: its metadata is damaged, or names files outside of its folder.")
	case t.Status == "active":
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

// files have paths relative to the job's directory. A path that is not below it
// stays as it is, and is refused later. What aria2 says of the progress of
// single files is not right at the end.
func (t *task) files(whole bool) []downloader.File {
	out := make([]downloader.File, 0, len(t.Files))
	dir := strings.TrimRight(t.Dir, "/") + "/"
	for i, f := range t.Files {
		file := downloader.File{
			Index: i, Path: strings.TrimPrefix(f.Path, dir),
			Size: int64(f.Length), DoneBytes: int64(f.CompletedLength), Skipped: f.Selected == "false",
		}
		if whole && !file.Skipped {
			file.DoneBytes = file.Size
		}
		out = append(out, file)
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
