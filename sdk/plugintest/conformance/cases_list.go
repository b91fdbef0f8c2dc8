package conformance

import (
	"context"
	"errors"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func listCases() []testCase {
	return withCapability(downloader.CapabilityList, []testCase{{
		name:     "list/finds-jobs",
		expected: "List names each job of this downloader with its id, by a Ref that finds it, and none that was removed.",
		try:      listFindsJobs,
	}, {
		name:     "list/own-only",
		expected: "List names no job of another downloader.",
		try: func(c *C) {
			c.anyKind()
			other := c.instance(c.opts.Settings)
			c.must("The daemon", other.ready(c.ctx, c.opts.Patience))
			j := c.jobAt(other, c.slowContent(fileSize)).add()
			if n := countJob(c.list(c.main.driver), j.req.JobID); n > 0 {
				c.failf("It does.")
			}
		},
	}})
}

func (c *C) list(d downloader.Driver) []downloader.Listed {
	lister, ok := d.(downloader.Lister)
	if !ok {
		c.failf("The driver cannot list, though the plugin declares it.")
	}
	jobs, err := lister.List(c.within(orderTimeout))
	c.must("List", err)
	return jobs
}

func listFindsJobs(c *C) {
	c.anyKind()
	running, done := c.added(c.slowContent(fileSize)), c.added(c.content(fileSize))
	done.awaitData()
	for _, j := range []*job{running, done} {
		jobs := c.list(j.d)
		if n := countJob(jobs, j.req.JobID); n != 1 {
			c.failf("A job that is %s is named %d times.", j.status().Phase, n)
		}
		for _, l := range jobs {
			if l.Ref.JobID != j.req.JobID {
				continue
			}
			if st := c.statusOf(j.d, l.Ref); st.Phase == downloader.PhaseGone {
				c.failf("The Ref that it gives finds no job.")
			}
			c.must("Remove with the Ref of List", j.d.Remove(c.within(orderTimeout), l.Ref, true))
		}
		if !c.eventually(quietTime, func() bool { return countJob(c.list(j.d), j.req.JobID) == 0 }) {
			c.failf("A job that was removed is still named.")
		}
	}
}

func watchCases() []testCase {
	return withCapability(downloader.CapabilityWatch, []testCase{{
		name:     "watch/completion",
		expected: "Watch reports a job that has got its data within ten seconds, and ends with its context.",
		try:      watchCompletion,
	}})
}

func watchCompletion(c *C) {
	c.anyKind()
	watcher, ok := c.main.driver.(downloader.Watcher)
	if !ok {
		c.failf("The driver cannot watch, though the plugin declares it.")
	}
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	j := c.job(c.slowContent(fileSize))
	seen, ended := make(chan struct{}, 1), make(chan error, 1)
	go func() {
		ended <- watcher.Watch(ctx, func(statuses []downloader.Status) {
			for _, st := range statuses {
				if st.JobID == j.req.JobID && st.Phase.HasData() {
					select {
					case seen <- struct{}{}:
					default:
					}
				}
			}
		})
	}()
	j.add().awaitMoving()
	j.shelf.open()
	j.awaitData()
	select {
	case <-seen:
	case err := <-ended:
		c.failf("Watch ended by itself: %s.", c.describe(err))
	case <-time.After(10 * time.Second):
		c.failf("Ten seconds after the job had its data Watch has not said so.")
	}
	cancel()
	select {
	case err := <-ended:
		if err == nil || !errors.Is(err, context.Canceled) && !errs.Is(err, errs.Canceled) {
			c.failf("When its context ended Watch returned %s.", c.describe(err))
		}
	case <-time.After(2 * time.Second):
		c.failf("Two seconds after the end of its context Watch has not returned.")
	}
}
