package conformance

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

func checkCases() []testCase {
	return slices.Concat(
		perKind(testCase{
			name:     "check/numbers",
			expected: "No number is negative, and a job that has its data has a total, all of it done, and a name.",
			try:      checkNumbers,
		}),
		perKind(testCase{
			name:     "check/files",
			expected: "A job that has its data lists all its files, by paths with slashes inside of its directory, with their sizes.",
			try:      checkFiles,
		}),
		[]testCase{{
			name:     "check/info-hash",
			expected: "A torrent's status has its info hash in 40 lower-case hex digits.",
			kind:     downloader.SourceTorrent,
			try: func(c *C) {
				j := c.added(c.content(fileSize))
				if st := j.awaitData(); st.InfoHash != j.hash {
					c.failf("The info hash is %q, not %q.", st.InfoHash, j.hash)
				}
			},
		}, {
			name:     "check/thousand",
			expected: "One Check of 1,000 jobs, all of them gone, answers for each of them within five seconds.",
			try:      checkThousand,
		}, {
			name:     "check/nothing",
			expected: "A Check of no job answers with no status.",
			try: func(c *C) {
				statuses, err := c.main.driver.Check(c.within(checkTimeout), nil)
				c.must("Check", err)
				if len(statuses) > 0 {
					c.failf("It has %d statuses.", len(statuses))
				}
			},
		}, {
			name:     "check/only-those-asked-for",
			expected: "Check reports on each job that was asked for once, and on no other.",
			try:      checkOnly,
		}, {
			name:     "check/foreign-refs",
			expected: "References that the plugin cannot read are jobs that are gone, and cost no other job its status.",
			try:      checkForeign,
		}},
	)
}

func checkNumbers(c *C) {
	j := c.job(c.slowContent(4 * fileSize)).add().awaitMoving()
	var last downloader.Status
	look := func(st downloader.Status) bool {
		for what, n := range map[string]int64{
			"total_bytes": st.TotalBytes, "done_bytes": st.DoneBytes, "uploaded_bytes": st.UploadedBytes,
			"download_rate": st.DownloadRate, "upload_rate": st.UploadRate, "peers": int64(st.Peers), "seeds": int64(st.Seeds),
		} {
			if n < 0 {
				c.failf("A job that is %s has %s %d.", st.Phase, what, n)
			}
		}
		if st.TotalBytes > 0 && st.DoneBytes > st.TotalBytes {
			c.failf("A job that is %s has %d of %d bytes.", st.Phase, st.DoneBytes, st.TotalBytes)
		}
		last = st
		return st.Phase.HasData()
	}
	look(j.status())
	j.shelf.open()
	j.await("has its data", look)
	if last.TotalBytes != j.total || last.DoneBytes != j.total {
		c.failf("A job of %d bytes has %d of %d bytes when it is %s.", j.total, last.DoneBytes, last.TotalBytes, last.Phase)
	}
	if last.Name == "" {
		c.failf("A job that is %s has no name.", last.Phase)
	}
}

func checkFiles(c *C) {
	content := c.content(fileSize)
	if c.kind == downloader.SourceTorrent {
		content = c.nested()
		content.shelf.open()
	}
	j := c.added(content)
	st := j.awaitData()
	if len(st.Files) != len(j.files) {
		c.failf("It lists %d files, not %d.", len(st.Files), len(j.files))
	}
	slices.SortFunc(st.Files, func(a, b downloader.File) int { return a.Index - b.Index })
	for i, f := range st.Files {
		want := j.files[i]
		switch {
		case f.Index != i:
			c.failf("The indexes of the files are not 0 to %d.", len(st.Files)-1)
		case !local(f.Path):
			c.failf("The path %q leads out of the job's directory.", f.Path)
		case f.Path != want.path:
			c.failf("File %d has the path %q, not %q.", i, f.Path, want.path)
		case f.Size != int64(len(want.data)) || f.DoneBytes != f.Size:
			c.failf("The file %q has %d of %d bytes, not %d.", f.Path, f.DoneBytes, f.Size, len(want.data))
		case f.Skipped:
			c.failf("The file %q is marked as not wanted.", f.Path)
		}
	}
}

// local reports whether a path is one below a job's directory.
func local(path string) bool {
	return filepath.IsLocal(filepath.FromSlash(path)) && path != "." && !strings.HasPrefix(path, "/")
}

// removedJob returns a job that the daemon has had.
func (c *C) removedJob() *job {
	c.anyKind()
	j := c.added(c.content(1000))
	j.remove(true)
	j.isGone(j.ref)
	return j
}

func checkThousand(c *C) {
	old := c.removedJob().ref
	refs := make([]downloader.Ref, 1000)
	for i := range refs {
		refs[i] = old
		refs[i].JobID = fmt.Sprintf("%s-%d", c.newID(), i)
	}
	began := time.Now()
	statuses, err := c.main.driver.Check(c.within(checkTimeout), refs)
	took := time.Since(began)
	c.must("Check", err)
	if took > 5*time.Second {
		c.failf("It took %s.", took.Round(time.Millisecond))
	}
	if len(statuses) != len(refs) {
		c.failf("It answers with %d statuses.", len(statuses))
	}
	for _, st := range statuses {
		if st.Phase != downloader.PhaseGone {
			c.failf("A job that was never added is %s.", st.Phase)
		}
	}
}

func checkOnly(c *C) {
	c.anyKind()
	a, b := c.added(c.content(1000)), c.added(c.content(1000))
	c.added(c.content(1000))
	statuses, err := c.main.driver.Check(c.within(checkTimeout), []downloader.Ref{a.ref, b.ref})
	c.must("Check", err)
	var got []string
	for _, st := range statuses {
		got = append(got, st.JobID)
	}
	slices.Sort(got)
	want := []string{a.ref.JobID, b.ref.JobID}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		c.failf("Asked for %v, it reports on %v.", want, got)
	}
}

// foreignRefs returns references that no plugin has made.
func (c *C) foreignRefs(version uint32) []downloader.Ref {
	var refs []downloader.Ref
	for _, opaque := range [][]byte{nil, {0}, []byte("{}"), []byte(`{"dir":"/","hash":"all"}`), []byte("null"), randomBytes(40), randomBytes(4096)} {
		for _, v := range []uint32{0, version, version + 1000, math.MaxUint32} {
			refs = append(refs, downloader.Ref{JobID: c.newID(), Version: v, Opaque: opaque})
		}
	}
	return refs
}

func checkForeign(c *C) {
	c.anyKind()
	j := c.added(c.slowContent(fileSize))
	refs := append(c.foreignRefs(j.ref.Version), j.ref)
	statuses, err := c.main.driver.Check(c.within(checkTimeout), refs)
	c.must("Check of a job and of references that nobody made", err)
	if len(statuses) != len(refs) {
		c.failf("Asked for %d jobs, it reports on %d.", len(refs), len(statuses))
	}
	for _, st := range statuses {
		if own := st.JobID == j.ref.JobID; own == (st.Phase == downloader.PhaseGone) {
			c.failf("%s is %s.", map[bool]string{true: "The job", false: "A reference that nobody made"}[own], st.Phase)
		}
	}
	j.intact("the foreign references")
}
