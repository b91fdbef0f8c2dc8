package conformance

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func errorCases() []testCase {
	return []testCase{{
		name:     "errors/not-found",
		expected: "A URL that answers with 404 fails the job, with a code that is not the plugin's fault and is not worth waiting for.",
		kind:     downloader.SourceHTTP,
		try: func(c *C) {
			j := c.added(content{source: downloader.Source{
				Kind: downloader.SourceHTTP, URI: c.sources.url + "/status/404", Name: "x.bin",
			}, shelf: c.newShelf(nil)})
			var st downloader.Status
			if !c.eventually(c.opts.Patience, func() bool {
				st = j.status()
				return st.Phase == downloader.PhaseFailed
			}) {
				c.failf("The job is %s.", st.Phase)
			}
			c.note(st.Err)
			if st.Err == nil || errs.KindOf(st.Err) == errs.KindInternal || errs.IsRetryable(st.Err) {
				c.failf("The job fails with %s.", c.describe(st.Err))
			}
		},
	}, {
		name:     "errors/unreachable",
		expected: "Where nobody listens at the daemon's address every call answers with downloader_unreachable.",
		try: func(c *C) {
			c.inTrouble(c.instance(c.settingsFor(closedPort)), errs.DownloaderUnreachable)
		},
	}, {
		name:     "errors/not-a-downloader",
		expected: "Where a web server is at the daemon's address every call answers with not_a_downloader.",
		try: func(c *C) {
			c.inTrouble(c.instance(c.settingsFor(strings.TrimPrefix(c.sources.url, "http://"))), errs.NotADownloader)
		},
	}, {
		name:       "test/good",
		expected:   "Test finds nothing wrong with a daemon that answers, and tells its version.",
		capability: downloader.CapabilityTest,
		try: func(c *C) {
			r := c.test(c.main)
			for _, check := range r.Checks {
				if check.Err != nil {
					c.failf("The check %q failed: %s.", check.Name, c.describe(check.Err))
				}
			}
			if len(r.Checks) == 0 || r.Version == "" {
				c.failf("It made %d checks and found the version %q.", len(r.Checks), r.Version)
			}
		},
	}}
}

func (c *C) test(in *instance) downloader.TestResult {
	tester, ok := in.driver.(downloader.Tester)
	if !ok {
		c.failf("The driver cannot test, though the plugin declares it.")
	}
	r, err := tester.Test(c.within(orderTimeout))
	c.must("Test", err)
	return r
}

// inTrouble ends the case unless the calls of an instance answer with a code.
func (c *C) inTrouble(in *instance, code errs.Code) {
	c.anyKind()
	j := c.jobAt(in, c.content(1000))
	_, err := j.tryAdd()
	c.hasCode("Add", err, code)
	if slices.Contains(c.desc.Capabilities, downloader.CapabilityTest) {
		r := c.test(in)
		at := slices.IndexFunc(r.Checks, func(check downloader.TestCheck) bool { return check.Err != nil })
		if at < 0 {
			c.failf("Test finds nothing wrong.")
		}
		c.hasCode("Test", r.Checks[at].Err, code)
	}
	ref := c.removedJob().ref
	_, err = in.driver.Check(c.within(checkTimeout), []downloader.Ref{ref})
	c.hasCode("Check", err, code)
	c.hasCode("Remove", in.driver.Remove(c.within(orderTimeout), ref, false), code)
}

func contextCases() []testCase {
	return []testCase{{
		name:     "context/canceled",
		expected: "Calls whose context ends return within two seconds, and the plugin works on afterwards.",
		try:      contextCanceled,
	}, {
		name:     "context/silent-daemon",
		expected: "Where the daemon takes connections and says nothing, calls end with their deadline.",
		try:      contextSilent,
	}}
}

// promptly is how long after the end of its context a call may take.
const promptly = 2 * time.Second

func (c *C) returns(what string, limit time.Duration, call func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		call()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		c.failf("%s has not returned %s after the end of its context.", what, promptly)
	}
}

func contextCanceled(c *C) {
	c.anyKind()
	j := c.added(c.slowContent(fileSize)).awaitMoving()
	ctx, cancel := context.WithCancel(c.ctx)
	cancel()
	var calls sync.WaitGroup
	c.onCleanup(func(context.Context) { calls.Wait() })
	other := c.job(c.content(1000))
	c.returns("Add", promptly, func() {
		ref, err := j.d.Add(ctx, other.req)
		c.note(err)
		if err == nil { // it was quicker, or does not look
			c.note(j.d.Remove(c.ctx, ref, true))
		}
	})
	c.returns("Check", promptly, func() {
		_, err := j.d.Check(ctx, []downloader.Ref{j.ref})
		c.note(err)
	})
	for i := range 50 {
		soon, stop := context.WithTimeout(c.ctx, time.Duration(i)*100*time.Microsecond)
		c.returns("Check", promptly, func() {
			_, err := j.d.Check(soon, []downloader.Ref{j.ref})
			c.note(err)
		})
		stop()
	}
	j.intact("canceled calls")
	// What a canceled Add left at the daemon is found by its id.
	other.ref, _ = other.tryAdd()
}

func contextSilent(c *C) {
	address, stop := c.silentServer()
	defer stop()
	in := c.instance(c.settingsFor(address))
	c.anyKind()
	j := c.jobAt(in, c.content(1000))
	const deadline = time.Second
	ctx, cancel := context.WithTimeout(c.ctx, deadline)
	defer cancel()
	c.returns("Add", deadline+promptly, func() {
		if _, err := in.driver.Add(ctx, j.req); err == nil {
			c.said.add("add at a silent daemon succeeded")
		}
	})
	ctx, cancel = context.WithTimeout(c.ctx, deadline)
	defer cancel()
	c.returns("Check", deadline+promptly, func() {
		_, err := in.driver.Check(ctx, []downloader.Ref{{JobID: j.req.JobID, Version: 1}})
		c.note(err)
	})
}

// silentServer takes connections and says nothing.
func (c *C) silentServer() (address string, stop func()) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	c.mustOwn(err)
	var held []net.Conn
	var accepting sync.WaitGroup
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			held = append(held, conn)
		}
	})
	return l.Addr().String(), func() {
		_ = l.Close()
		accepting.Wait()
		for _, conn := range held {
			_ = conn.Close()
		}
	}
}
