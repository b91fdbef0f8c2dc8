package folderprobe

import (
	"context"
	"errors"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// The names of the checks that a probe makes, in their order. One that fails is
// the last of them, as the others rest on it.
const (
	// CheckShared is that both see the same folder.
	CheckShared = "folder_shared"
	// CheckWritable is that the downloader may write there.
	CheckWritable = "folder_writable"
	// CheckMovable is that the node may move and delete what it wrote.
	CheckMovable = "folder_movable"
)

// checks says what the evidence proves.
func (p *probe) checks(gaveUp error) []downloader.TestCheck {
	if p.trouble != nil {
		return []downloader.TestCheck{{Name: CheckShared, Message: errs.MessageOf(p.trouble), Err: p.trouble}}
	}
	if gaveUp != nil {
		code := errs.Canceled
		if errors.Is(gaveUp, context.DeadlineExceeded) {
			code = errs.DeadlineExceeded
		}
		return failed(nil, CheckShared, errs.Wrap(gaveUp, code, "The test of the shared folder was given up before its end."))
	}
	var out []downloader.TestCheck
	shared, err := p.shared()
	if err != nil {
		return failed(out, CheckShared, err)
	}
	out = passed(out, CheckShared, shared)
	written, err := p.written()
	if err != nil {
		return failed(out, CheckWritable, err)
	}
	out = passed(out, CheckWritable, written)
	if !p.wrote {
		return out
	}
	if err := p.movable(); err != nil {
		return failed(out, CheckMovable, err)
	}
	return passed(out, CheckMovable, "haul can read, move and delete what the downloader writes.")
}

func passed(to []downloader.TestCheck, name, message string) []downloader.TestCheck {
	return append(to, downloader.TestCheck{Name: name, Message: message})
}

func failed(to []downloader.TestCheck, name string, err error) []downloader.TestCheck {
	return append(to, downloader.TestCheck{Name: name, Message: errs.MessageOf(err), Err: err})
}

// shared says whether both see the same folder.
func (p *probe) shared() (string, error) {
	switch {
	case p.wrote, p.sees:
		return p.sayShared(), nil
	case p.failure != nil && isAboutFolder(p.failure):
		return "", p.errNotEntered()
	case p.failure != nil && p.unreached():
		return p.sayUnreached("The shared folder could not be tried"), nil
	case p.failure != nil:
		return "", p.failure
	case p.has, p.server.loaded.Load() > 0:
		return "", p.errElsewhere()
	case !p.began:
		return "", errs.New(errs.DeadlineExceeded, "The downloader did not begin with the test's job within %s.", p.limits.work).
			WithHint("Look whether its queue is full, or whether it is stopped or busy checking, and test it again.")
	case p.sample.placed == nil:
		return p.sayUnreached("The shared folder could not be tried"), nil
	}
	return "", p.errNotSeen()
}

// unreached reports whether a job failed just because its file could not be
// asked for.
func (p *probe) unreached() bool { return p.sample.placed == nil && p.server.requests.Load() == 0 }

// written says whether the downloader may write to the folder.
func (p *probe) written() (string, error) {
	switch {
	case p.failure != nil && !p.arrived && !p.unreached():
		return "", p.errNotWritten()
	case p.arrived, p.wrote && p.server.loaded.Load() == 0:
		return "The downloader can write to the folder.", nil
	case p.server.loaded.Load() > 0 && p.wrote:
		return "The downloader can write to the folder; it took longer than the test to load a file.", nil
	case p.server.requests.Load() > 0:
		return "", p.errNotArrived()
	}
	return p.sayUnreached("Whether the downloader can write to the folder could not be tried"), nil
}

// movable says whether the node may do with the files what a delivery does.
func (p *probe) movable() error {
	if e, ok := errors.AsType[*moveError](p.unmoved); ok {
		return p.errNotMoved(e)
	}
	if p.unmoved != nil {
		return errs.Wrap(p.unmoved, errs.PathNotWritable, "The node cannot move files in its own download folder.")
	}
	if p.left != nil {
		return errs.Wrap(p.left, errs.PathNotWritable, "What the test left in %s cannot be deleted.", p.Dir).
			WithHint("Delete it by hand; haul tries again when it starts.")
	}
	return nil
}

// isAboutFolder reports whether a failure can be one of the folder. Some
// daemons do not say why a job failed.
func isAboutFolder(err error) bool {
	switch errs.CodeOf(err) {
	case errs.PathNotWritable, errs.PathNotShared, errs.DownloaderError, errs.FilesMissing:
		return true
	}
	return false
}
