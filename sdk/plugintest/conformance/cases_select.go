package conformance

import (
	"slices"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func selectCases() []testCase {
	return withCapability(downloader.CapabilitySelectFiles, []testCase{{
		name:     "files/at-add",
		expected: "Of a torrent that is added with a selection those files are loaded; the status lists all, the others as not wanted, and counts what is wanted.",
		kind:     downloader.SourceTorrent,
		try: func(c *C) {
			content := c.nested()
			content.shelf.open()
			j := c.job(content)
			j.req.Files = []int{1}
			j.add()
			j.selected(j.awaitData(), 1)
			j.sameBytes(1)
		},
	}, {
		name:     "files/later",
		expected: "SelectFiles changes which files are loaded while the job runs, again and again.",
		kind:     downloader.SourceTorrent,
		try:      selectLater,
	}, {
		name:     "files/while-paused",
		expected: "SelectFiles leaves a paused job paused.",
		kind:     downloader.SourceTorrent,
		try:      selectPaused,
	}, {
		name:     "files/no-such-file",
		expected: "An index that the torrent does not have is refused, by Add and by SelectFiles (invalid_request), and the job goes on.",
		kind:     downloader.SourceTorrent,
		try:      selectNoSuchFile,
	}, {
		name:     "files/no-such-job",
		expected: "SelectFiles of a job that the daemon does not have answers with job_not_found.",
		kind:     downloader.SourceTorrent,
		try: func(c *C) {
			c.hasCode("SelectFiles", c.removedJob().selectFiles(0), errs.JobNotFound)
		},
	}})
}

func (j *job) selectFiles(files ...int) error {
	s, ok := j.d.(downloader.FileSelector)
	if !ok {
		j.c.failf("The driver cannot select files, though the plugin declares it.")
	}
	return s.SelectFiles(j.c.within(orderTimeout), j.ref, files)
}

// isSelected reports whether a status lists these files as the wanted ones.
func isSelected(st downloader.Status, files ...int) bool {
	if len(st.Files) == 0 {
		return false
	}
	for _, f := range st.Files {
		if f.Skipped == slices.Contains(files, f.Index) {
			return false
		}
	}
	return true
}

// selected ends the case unless a status is that of a job whose wanted files are
// these.
func (j *job) selected(st downloader.Status, files ...int) {
	if len(st.Files) != len(j.files) {
		j.c.failf("The status lists %d files, not all %d.", len(st.Files), len(j.files))
	}
	if !isSelected(st, files...) {
		j.c.failf("The status does not list %v as the files that are wanted: %+v.", files, st.Files)
	}
	var total int64
	for _, i := range files {
		total += int64(len(j.files[i].data))
	}
	if st.TotalBytes != total || st.DoneBytes != total {
		j.c.failf("The status has %d of %d bytes; %d are wanted.", st.DoneBytes, st.TotalBytes, total)
	}
}

func selectLater(c *C) {
	j := c.added(c.nested()).awaitMoving()
	for _, files := range [][]int{{1}, {0, 2}, {0, 2}} {
		c.must("SelectFiles", j.selectFiles(files...))
	}
	j.shelf.open()
	j.selected(j.await("has the data that is wanted", func(st downloader.Status) bool {
		return st.Phase.HasData() && isSelected(st, 0, 2)
	}), 0, 2)
	j.sameBytes(0, 2)
}

func selectPaused(c *C) {
	if !slices.Contains(c.desc.Capabilities, downloader.CapabilityPause) {
		c.skipf("The plugin does not declare %q.", downloader.CapabilityPause)
	}
	content := c.nested()
	content.shelf.open()
	j := c.job(content)
	j.req.Paused = true
	j.add().awaitPhase(downloader.PhasePaused)
	c.must("SelectFiles", j.selectFiles(2))
	if !c.during(quietTime/5, func() bool { return isPaused(j.status()) }) {
		c.failf("After SelectFiles the job is %s.", j.status().Phase)
	}
	j.resume()
	j.selected(j.awaitData(), 2)
	j.sameBytes(2)
}

func selectNoSuchFile(c *C) {
	j := c.job(c.nested())
	j.req.Files = []int{0, 3}
	if _, err := j.tryAdd(); !isRefusal(err) {
		c.failf("Add with the index of a file that is not there: %s.", c.describe(err))
	}
	j = c.added(c.nested()).awaitMoving()
	c.hasCode("SelectFiles with the index of a file that is not there", j.selectFiles(0, 3), errs.InvalidRequest)
	j.intact("a wrong selection")
}
