package conformance

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

func magnetCases() []testCase {
	return []testCase{{
		name:     "magnet/delivers",
		expected: "A magnet link gets its metadata from peers, then its data, with info hash and files.",
		kind:     downloader.SourceMagnet,
		hook:     needsMagnet(0),
		try: func(c *C) {
			m := c.opts.Magnets[0]
			j := c.added(m.content())
			st := j.awaitData()
			if st.InfoHash != m.InfoHash {
				c.failf("The info hash is %q, not %q.", st.InfoHash, m.InfoHash)
			}
			for i := range m.Files {
				j.sameDigest(m.Files[i])
			}
		},
	}, {
		name:       "magnet/selection",
		expected:   "A magnet link that is added with a selection loads those files alone, when haul repeats the selection once the files are known.",
		kind:       downloader.SourceMagnet,
		capability: downloader.CapabilitySelectFiles,
		hook:       needsMagnet(1),
		try:        magnetSelection,
	}}
}

// needsMagnet skips a case unless there are magnets left for it: the last one
// with several files is kept for the selection.
func needsMagnet(n int) func(Options) string {
	return func(o Options) string {
		if len(o.Magnets) <= n {
			return "There are no peers to serve a magnet link."
		}
		return ""
	}
}

func (m Magnet) content() content {
	return content{source: downloader.Source{Kind: downloader.SourceMagnet, URI: m.URI}, hash: m.InfoHash}
}

func (j *job) sameDigest(f MagnetFile) {
	data, err := os.ReadFile(filepath.Join(j.dir, filepath.FromSlash(f.Path)))
	if err != nil {
		j.c.failf("The file %q is not below the job's directory: %v.", f.Path, err)
	}
	if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != f.SHA256 {
		j.c.failf("The file %q has %d bytes that are not those served.", f.Path, len(data))
	}
}

func magnetSelection(c *C) {
	m := c.opts.Magnets[1]
	if len(m.Files) < 2 {
		c.skipf("The second magnet link has a single file.")
	}
	j := c.job(m.content())
	j.req.Files = []int{1}
	j.add()
	var repeated time.Time
	st := j.await("has the data that is wanted", func(st downloader.Status) bool {
		if st.Phase.HasData() && isSelected(st, 1) {
			return true
		}
		if known := st.TotalBytes > 0 || len(st.Files) > 0; known && time.Since(repeated) > 2*time.Second {
			repeated = time.Now()
			c.must("SelectFiles", j.selectFiles(1))
			if isPaused(st) && slices.Contains(c.desc.Capabilities, downloader.CapabilityPause) {
				c.must("Resume", j.pauser().Resume(c.within(orderTimeout), j.ref))
			}
		}
		return false
	})
	if len(st.Files) != len(m.Files) {
		c.failf("The status lists %d files, not all %d.", len(st.Files), len(m.Files))
	}
	j.sameDigest(m.Files[1])
}
