package worker

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// choice is what all tasks of a job together want.
type choice struct {
	// files are indexes, ascending; nil is all.
	files []int
	// known is false where the list of files is needed first.
	known bool
}

// unselected stands in applied.Files for a magnet link that was added with some
// files: the selection is made when its metadata is there.
var unselected = []int{-1}

// wantedFiles returns what all tasks together want.
func (j *job) wantedFiles() choice {
	if j.choice == nil {
		c := j.choose()
		j.choice = &c
	}
	return *j.choice
}

func (j *job) choose() choice {
	needsFiles := false
	var indexes []int
	for _, d := range j.Deliveries {
		if !d.wantsData() {
			continue
		}
		s := d.Want.Selection
		if s.IsZero() {
			return choice{known: true}
		}
		needsFiles = needsFiles || s.NeedsFiles()
		indexes = append(indexes, s.Indexes...)
	}
	switch {
	case len(j.Files) > 0:
		return choice{files: j.chooseAmong(), known: true}
	case needsFiles:
		return choice{}
	}
	slices.Sort(indexes)
	return choice{files: slices.Compact(indexes), known: true}
}

// chooseAmong returns the wanted ones of the known files; nil where those are all.
func (j *job) chooseAmong() []int {
	chosen, all := make([]int, 0, len(j.Files)), true
	for _, f := range j.Files {
		if isPadding(f.Path) {
			continue
		}
		wanted := slices.ContainsFunc(j.Deliveries, func(d *deliveryRecord) bool {
			return d.wantsData() && d.Want.Selection.Wants(f)
		})
		if wanted {
			chosen = append(chosen, f.Index)
		}
		all = all && wanted
	}
	if all {
		return nil
	}
	slices.Sort(chosen)
	return chosen
}

// isPadding recognises a file that only aligns others, by its name (BEP 47).
func isPadding(path string) bool { return strings.Contains("/"+path, "/.pad/") }

// filesOf returns the files that a task wants, as far as they are known.
func (j *job) filesOf(d *deliveryRecord) []downloader.File {
	s, out := d.Want.Selection, make([]downloader.File, 0, len(j.Files))
	for _, f := range j.Files {
		if isPadding(f.Path) || s.IsZero() && f.Skipped || !s.Wants(f) {
			continue
		}
		out = append(out, f)
	}
	return out
}

// filesOfTorrent lists the files of a torrent that is not added yet.
func filesOfTorrent(t *source.Torrent) []downloader.File {
	out := make([]downloader.File, 0, len(t.Files))
	for i, f := range t.Files {
		out = append(out, downloader.File{Index: i, Path: f.Path, Size: f.Size, Skipped: f.Padding})
	}
	return out
}

// knowFiles takes over a list of files, and reports whether it is new. One that
// cannot be stored ends the job.
func (j *job) knowFiles(files []downloader.File, now time.Time) bool {
	if len(files) == 0 {
		return false
	}
	known := len(j.Files) == len(files)
	if !known {
		if err := checkFileList(files); err != nil {
			j.fail(err, now)
			return false
		}
	}
	if known && !slices.EqualFunc(j.Files, files, func(a, b downloader.File) bool { return a.Skipped == b.Skipped }) {
		for _, d := range j.Deliveries {
			d.sizeFor = nil
		}
	}
	j.Files, j.fileCount = files, max(j.fileCount, countFiles(files))
	if known {
		return false
	}
	j.choice = nil
	j.checkSelections(now)
	return true
}

// checkSelections ends the deliveries that want what is not there.
func (j *job) checkSelections(now time.Time) {
	if len(j.Files) == 0 {
		return
	}
	for _, d := range j.Deliveries {
		if !d.open() || d.Want.Selection.IsZero() {
			continue
		}
		if err := j.checkSelection(d); err != nil {
			d.fail(err, now)
			j.choice = nil
			j.save()
		}
	}
}

func (j *job) checkSelection(d *deliveryRecord) error {
	s := d.Want.Selection
	if n := len(s.Indexes); n > 0 && s.Indexes[n-1] >= j.fileCount {
		why := fmt.Sprintf("names file %d; the torrent has %d", s.Indexes[n-1], j.fileCount)
		return errs.New(errs.InvalidRequest, "The selection of files %s.", why).WithField("files", why)
	}
	if len(j.filesOf(d)) == 0 {
		return errs.New(errs.NoFilesSelected, "None of the %d files is selected.", len(j.Files))
	}
	return nil
}

// countFiles returns how many files there are, with those that only align others:
// they have indexes, too, but some downloaders do not list them.
func countFiles(files []downloader.File) int {
	last := -1
	for _, f := range files {
		last = max(last, f.Index)
	}
	return last + 1
}

// mustSelect reports whether the downloader has another selection than the
// tasks want.
func (j *job) mustSelect() bool {
	c := j.wantedFiles()
	return !c.known || !slices.Equal(c.files, j.Applied.Files)
}

// intendSelection notes that the downloader is to be told of a selection: what is
// only noted once it was told so can be lost with the node.
func (j *job) intendSelection() {
	if !j.Applied.Selected && j.Ref != nil && j.mustSelect() && len(j.wantedFiles().files)+len(j.Applied.Files) > 0 {
		j.Applied.Selected = true
		j.save()
	}
}

// forgotSelection reports whether a downloader calls complete what it was told
// before the last selection: a daemon that was killed may come back with that.
func (j *job) forgotSelection(s *downloader.Status) bool {
	if !j.Applied.Selected || j.reselected >= mostReselections || j.mustSelect() {
		return false
	}
	c := j.wantedFiles()
	return slices.ContainsFunc(s.Files, func(f downloader.File) bool {
		if !f.Skipped || isPadding(f.Path) {
			return false
		}
		_, wanted := slices.BinarySearch(c.files, f.Index)
		return wanted || c.files == nil
	})
}

// selectAgain has the selection repeated, when the downloader had its time for it.
// Other orders may come meanwhile: they say nothing of that.
func (j *job) selectAgain() {
	j.phase = core.JobDownloading // what is missing is still to come
	if time.Since(j.selectedAt) < repeatAfter {
		return
	}
	j.reselected++
	j.reselecting, j.Applied.Files = j.Applied.Files, unselected
	j.save()
}

// wantsMore reports whether the tasks want what the downloader was not told to
// load. What they want less of does no harm.
func (j *job) wantsMore() bool {
	c, has := j.wantedFiles(), j.Applied.Files
	switch {
	case len(has) == 0:
		return false
	case !c.known || c.files == nil:
		return true
	}
	return slices.ContainsFunc(c.files, func(i int) bool { _, ok := slices.BinarySearch(has, i); return !ok })
}

// hasAllOf reports whether each file that a task wants is known to be loaded.
func (j *job) hasAllOf(d *deliveryRecord) bool {
	return len(j.Files) > 0 && !slices.ContainsFunc(j.Files, func(f downloader.File) bool {
		return !isPadding(f.Path) && d.Want.Selection.Wants(f) && (f.Skipped || f.DoneBytes < f.Size)
	})
}

// canSelect reports whether a selection can be made: of a magnet link once its
// metadata is there, and of everything again once the number of files is known.
func (j *job) canSelect() bool {
	c := j.wantedFiles()
	switch {
	case !c.known:
		return false
	case c.files == nil:
		return j.fileCount > 0
	}
	if j.Job.Source.Kind != downloader.SourceMagnet || j.fileCount > 0 {
		return true
	}
	// What one task wants too much of must not fail the others.
	return j.status.TotalBytes > 0 && len(j.Deliveries) == 1
}

// filesToAdd returns the selection to add the job with. Of a magnet link whose
// files have to be known first the first one is asked for, so that not all of
// them begin to load.
func (j *job) filesToAdd() []int {
	c := j.wantedFiles()
	if !c.known {
		return []int{0}
	}
	return slices.Clone(c.files)
}

// share returns the size of what a task wants, and what of that is loaded. While
// others want more than it does, only its own files count: what the job has loaded
// for them would tell the task's owner of them. A downloader that does not tell of
// each file is taken to load them evenly.
func (j *job) share(d *deliveryRecord) (total, done int64) {
	jobTotal, jobDone := j.Total, j.Total
	if !j.dataIsThere() {
		jobTotal, jobDone = j.status.TotalBytes, j.status.DoneBytes
	}
	if len(j.Files) == 0 || d.Want.Selection.IsZero() && j.wantedFiles().files == nil {
		return jobTotal, jobDone
	}
	total = j.sizeOf(d)
	switch {
	case j.dataIsThere() || jobDone >= jobTotal && jobTotal > 0:
		return total, total
	case jobTotal == 0:
		return total, 0
	case total != jobTotal:
		if loaded := j.loadedOf(d); loaded > 0 || len(j.Deliveries) > 1 {
			return total, loaded
		}
	}
	return total, min(total, int64(float64(total)*float64(jobDone)/float64(jobTotal)))
}

// loadedOf returns what is known to be loaded of the files that a task wants.
func (j *job) loadedOf(d *deliveryRecord) (done int64) {
	for _, f := range j.filesOf(d) {
		done += min(f.DoneBytes, f.Size)
	}
	return done
}

// sizeOf returns the size of the files that a task wants.
func (j *job) sizeOf(d *deliveryRecord) int64 {
	j.wantedFiles()
	if d.sizeFor != j.choice {
		files := j.filesOf(d)
		d.sizeFor, d.size, d.fileCount = j.choice, total(files), len(files)
	}
	return d.size
}
