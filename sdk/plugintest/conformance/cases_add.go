package conformance

import (
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func addCases() []testCase {
	return slices.Concat(
		perKind(testCase{
			name:     "add/delivers",
			expected: "When the job has its data, all bytes of the source are in the job's directory, and nothing is beside it.",
			try: func(c *C) {
				j := c.added(c.content(fileSize))
				j.awaitData()
				j.sameBytes()
				c.nothingBeside()
			},
		}),
		[]testCase{{
			name:     "add/folders",
			expected: "A torrent of several files in folders is loaded with its folders and names.",
			kind:     downloader.SourceTorrent,
			try: func(c *C) {
				content := c.nested()
				content.shelf.open()
				j := c.added(content)
				j.awaitData()
				j.sameBytes()
				c.nothingBeside()
			},
		}, {
			name:     "add/verifies",
			expected: "Of a torrent whose data is there, and that is added to be verified, what is damaged is loaded again.",
			kind:     downloader.SourceTorrent,
			try:      addVerifies,
		}, {
			name:     "add/other-kind",
			expected: "A kind of source that the plugin does not take is refused with source_not_supported.",
			try:      addOtherKind,
		}, {
			name:     "add/not-a-torrent",
			expected: "What is no torrent is refused, or fails the job, as the request's fault and not as the plugin's.",
			kind:     downloader.SourceTorrent,
			try:      addNotATorrent,
		}, {
			name:     "add/twenty-at-once",
			expected: "Twenty jobs that are added at the same time all get their data.",
			try:      addTwenty,
		}},
	)
}

// addVerifies damages one byte. That nothing else is loaded is not asked for: a
// downloader that knows no pieces has to load the file.
func addVerifies(c *C) {
	j := c.added(c.content(fileSize))
	j.awaitData()
	j.remove(false)
	j.isGone(j.ref)
	j.sameBytes() // they have to be there still
	j.damage(fileSize / 2)
	j.req.Verify = true
	j.add()
	j.awaitData()
	j.sameBytes()
}

// damage changes one byte of the job's first file.
func (j *job) damage(at int64) {
	f, err := os.OpenFile(filepath.Join(j.dir, filepath.FromSlash(j.files[0].path)), os.O_RDWR, 0)
	j.c.mustOwn(err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	j.c.mustOwn(err)
	b[0] ^= 0xff
	_, err = f.WriteAt(b[:], at)
	j.c.mustOwn(err)
}

func addOtherKind(c *C) {
	for kind, source := range map[downloader.SourceKind]downloader.Source{
		downloader.SourceMagnet:   {URI: "magnet:?xt=urn:btih:" + c.emptyHash()},
		downloader.SourceTorrent:  {Content: c.torrent("x", torrentFile{data: randomBytes(10)}).source.Content},
		downloader.SourceHTTP:     {URI: c.sources.url + "/x"},
		downloader.SourceFTP:      {URI: "ftp://127.0.0.1:1/x"},
		downloader.SourceMetalink: {Content: []byte(`<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="x"><url>` + c.sources.url + `/x</url></file></metalink>`)},
	} {
		if slices.Contains(c.desc.Sources, kind) {
			continue
		}
		source.Kind = kind
		_, err := c.job(content{source: source}).tryAdd()
		c.hasCode("Add of a source of the kind "+string(kind), err, errs.SourceNotSupported)
	}
}

// emptyHash is an info hash that no torrent has.
func (c *C) emptyHash() string {
	return c.torrent(c.newID(), torrentFile{data: randomBytes(10)}).hash
}

func addNotATorrent(c *C) {
	for what, bytes := range map[string]string{
		"a web page": "<!DOCTYPE html><html><body>Log in first</body></html>", "cut off": "d4:infod6:lengthi5e",
		"no info": "d8:announce3:fooe", "nothing": "",
	} {
		j := c.job(content{source: downloader.Source{Kind: downloader.SourceTorrent, Content: []byte(bytes)}})
		ref, err := j.tryAdd()
		if err == nil {
			j.ref = ref
			c.eventually(quietTime, func() bool {
				st := j.status()
				err = st.Err
				return st.Phase == downloader.PhaseFailed
			})
		}
		if !isRefusal(err) {
			c.failf("A torrent file that is %s answers with %s.", what, c.describe(err))
		}
	}
}

// anyKind makes a case of no kind use one that the plugin takes.
func (c *C) anyKind() {
	if c.kind != "" {
		return
	}
	for _, kind := range []downloader.SourceKind{downloader.SourceHTTP, downloader.SourceTorrent} {
		if slices.Contains(c.desc.Sources, kind) {
			c.kind = kind
			return
		}
	}
	c.skipf("The suite has no source of a kind that the plugin takes.")
}

func addTwenty(c *C) {
	c.anyKind()
	jobs := make([]*job, 20)
	for i := range jobs {
		jobs[i] = c.job(c.content(10_000))
	}
	failures := make([]error, len(jobs))
	var adds sync.WaitGroup
	for i, j := range jobs {
		adds.Go(func() { j.ref, failures[i] = j.tryAdd() })
	}
	adds.Wait()
	for i, j := range jobs {
		c.must("One of the twenty calls of Add", failures[i])
		j.awaitData()
		j.sameBytes()
	}
}
