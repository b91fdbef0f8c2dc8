package conformance

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
)

func removeCases() []testCase {
	return slices.Concat(
		perKind(testCase{
			name:     "remove/twice",
			expected: "After Remove the job is gone; removing it again succeeds.",
			try: func(c *C) {
				j := c.added(c.content(fileSize))
				j.awaitData()
				for range 3 {
					j.remove(true)
					if !j.isGone(j.ref) {
						c.failf("After Remove the job is %s.", j.status().Phase)
					}
				}
			},
		}),
		perKind(testCase{
			name:     "remove/running",
			expected: "Removing a job that loads ends the loading.",
			try: func(c *C) {
				j := c.added(c.slowContent(slowSize)).awaitMoving()
				j.remove(true)
				if !j.idle() {
					c.failf("%s after Remove the source is still being loaded.", drainTime)
				}
			},
		}),
		perKind(testCase{
			name:     "remove/keeps-data",
			expected: "Without delete_data the files stay where they are.",
			try: func(c *C) {
				j := c.added(c.content(fileSize))
				j.awaitData()
				j.remove(false)
				j.isGone(j.ref)
				j.sameBytes()
			},
		}),
		perKind(testCase{
			name:     "remove/inside-only",
			expected: "With delete_data nothing outside of the job's directory is deleted, be it beside it or behind a link.",
			try:      removeInsideOnly,
		}),
		[]testCase{{
			name:     "remove/foreign-refs",
			expected: "Removing what the plugin cannot read succeeds, and touches no other job.",
			try: func(c *C) {
				c.anyKind()
				j := c.added(c.slowContent(fileSize)).awaitMoving()
				for _, ref := range c.foreignRefs(j.ref.Version) {
					c.must("Remove of a reference that nobody made", c.main.driver.Remove(c.within(orderTimeout), ref, true))
				}
				j.intact("the removal of foreign references")
			},
		}},
	)
}

func removeInsideOnly(c *C) {
	j := c.added(c.content(fileSize))
	j.awaitData()
	keep := []byte("keep me")
	var sentinels []string
	for _, name := range []string{"sentinel", "outside/file", filepath.Base(j.dir) + "-more/file", "outside/" + filepath.Base(j.files[0].path)} {
		path := filepath.Join(c.ownDir(), name)
		c.mustOwn(os.MkdirAll(filepath.Dir(path), 0o700))
		c.mustOwn(openToDaemon(c.dir))
		c.mustOwn(openToDaemon(filepath.Dir(path)))
		c.mustOwn(os.WriteFile(path, keep, 0o600))
		sentinels = append(sentinels, path)
	}
	c.mustOwn(os.Symlink(filepath.Join(c.dir, "outside"), filepath.Join(j.dir, "link")))
	j.remove(true)
	if !j.isGone(j.ref) {
		c.failf("After Remove the job is %s.", j.status().Phase)
	}
	for _, path := range sentinels {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, keep) {
			rel, _ := filepath.Rel(c.dir, path)
			c.failf("The file %q beside the job's directory is gone or changed.", rel)
		}
	}
}
