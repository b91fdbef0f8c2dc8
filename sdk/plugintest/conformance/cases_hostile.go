package conformance

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func hostileCases() []testCase {
	cases := []testCase{{
		name:     "hostile/server-name",
		expected: "A file that its server names ../../escaped.bin stays in the job's directory.",
		kind:     downloader.SourceHTTP,
		try: func(c *C) {
			for _, path := range []string{"/named/file", "/named/..%2f..%2fescaped.bin"} {
				c.staysInside(content{source: downloader.Source{Kind: downloader.SourceHTTP, URI: c.sources.url + path}})
			}
		},
	}}
	long := strings.Repeat("long-name-", 30)
	for _, h := range []struct {
		name, about string
		root        func(*C) string
		path        []string
	}{
		{"dotdot", "paths with ..", (*C).newID, []string{"..", "..", "escaped.bin"}},
		{"dotdot-name", "a name with ..", func(*C) string { return "../escaped" }, nil},
		{"dotdot-root", "the name ..", func(*C) string { return ".." }, []string{"escaped.bin"}},
		{"absolute", "an absolute name", func(c *C) string { return filepath.Join(c.ownDir(), "escaped") }, []string{"/escaped.bin"}},
		{"slashes", "slashes inside of a name", (*C).newID, []string{"a/../../../escaped.bin"}},
		{"control", "control bytes and bad UTF-8", func(c *C) string { return "ctl\n\x01\x7f" + c.newID() }, []string{"new\nline", "bad\xff\xfe.bin"}},
		{"long", "a name that no file system takes", func(c *C) string { return c.newID() + long }, []string{"x.bin"}},
	} {
		cases = append(cases, testCase{
			name:     "hostile/" + h.name,
			expected: "A torrent with " + h.about + " is refused, or stays in the job's directory.",
			kind:     downloader.SourceTorrent,
			try: func(c *C) {
				files := []torrentFile{{path: h.path, data: randomBytes(2000)}}
				if len(h.path) > 0 {
					files = append(files, torrentFile{[]string{"ok.bin"}, randomBytes(2000)})
				}
				t := c.torrent(h.root(c), files...)
				t.shelf.open()
				c.staysInside(t)
			},
		})
	}
	return cases
}

// staysInside adds what wants to get out, and looks where it went.
func (c *C) staysInside(content content) {
	const sentinel = "sentinel"
	keep := filepath.Join(c.ownDir(), sentinel)
	c.mustOwn(os.WriteFile(keep, []byte(sentinel), 0o600))
	j := c.job(content)
	ref, err := j.tryAdd()
	if err != nil {
		if errs.KindOf(err) == errs.KindInternal {
			c.failf("Add: %s.", c.describe(err))
		}
		c.nothingBeside(sentinel)
		return
	}
	j.ref = ref
	var st downloader.Status
	c.eventually(quietTime/2, func() bool {
		st = j.status()
		for _, f := range st.Files {
			if !local(f.Path) {
				c.failf("The status lists the file %q.", f.Path)
			}
		}
		return st.Phase.HasData() || st.Phase == downloader.PhaseFailed
	})
	if errs.KindOf(st.Err) == errs.KindInternal && st.Err != nil {
		c.failf("The job fails with %s.", c.describe(st.Err))
	}
	c.nothingBeside(sentinel)
	j.remove(true)
	c.nothingBeside(sentinel)
	if _, err := os.Stat(keep); err != nil {
		c.failf("Remove deleted a file beside the job's directory.")
	}
}
