package conformance

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
)

func leakCases() []testCase {
	return []testCase{{
		name:       "leaks/jobs",
		expected:   "When all jobs were removed, List names none of them.",
		capability: downloader.CapabilityList,
		try: func(c *C) {
			var left []string
			if !c.eventually(quietTime, func() bool {
				left = nil
				for _, l := range c.list(c.main.driver) {
					if strings.HasPrefix(l.Ref.JobID, c.id) {
						left = append(left, l.Ref.JobID)
					}
				}
				return len(left) == 0
			}) {
				c.failf("It names %d: %s.", len(left), strings.Join(left, ", "))
			}
		},
	}, {
		name:     "leaks/descriptors",
		expected: "Two hundred calls leave the plugin's process with no more descriptors than before.",
		process:  true,
		try:      leakDescriptors,
	}}
}

// spareDescriptors is by how many their number may differ for other reasons.
const spareDescriptors = 5

func leakDescriptors(c *C) {
	pid := c.main.session.pid
	if _, err := descriptors(pid); err != nil {
		c.skipf("The descriptors of a process cannot be counted here.")
	}
	refs := []downloader.Ref{c.removedJob().ref}
	check := func(n int) {
		for range n {
			_, err := c.main.driver.Check(c.within(checkTimeout), refs)
			c.must("Check", err)
		}
	}
	check(10)
	before, err := descriptors(pid)
	c.mustOwn(err)
	check(200)
	var after int
	if !c.eventually(quietTime/2, func() bool {
		after, err = descriptors(pid)
		c.mustOwn(err)
		return after <= before+spareDescriptors
	}) {
		c.failf("Before it had %d, afterwards %d.", before, after)
	}
}

func descriptors(pid int) (int, error) {
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries), err
}

func secretCases() []testCase {
	return []testCase{{
		name:     "secrets/never-told",
		expected: "No secret of the settings is in what the plugin has logged, at any level, or in its errors.",
		try: func(c *C) {
			secrets := c.secrets()
			if len(secrets) == 0 {
				c.skipf("The settings have no secret.")
			}
			for _, secret := range secrets {
				if line, found := c.said.lineWith(secret); found {
					c.failf("One is, in: %s", line)
				}
			}
		},
	}}
}

// secrets returns those that plugins were given in this run.
func (c *C) secrets() []string {
	const telling = 4 // shorter ones are found anywhere
	var out []string
	if c.settings == nil {
		c.skipf("The settings schema does not compile.")
	}
	for _, text := range c.settings.Secrets(c.opts.Settings) {
		var secret string
		if json.Unmarshal([]byte(text), &secret) == nil && len(secret) >= telling {
			out = append(out, secret)
		}
	}
	c.suite.mu.Lock()
	defer c.suite.mu.Unlock()
	return append(out, c.canary...)
}
