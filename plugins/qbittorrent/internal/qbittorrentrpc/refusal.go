package qbittorrentrpc

import (
	"errors"
	"time"

	"github.com/haul-dl/haul/sdk/errs"
)

const (
	firstBackOff = 30 * time.Second
	lastBackOff  = 10 * time.Minute
	// maxWrong is how often a password is tried. qBittorrent counts the wrong
	// ones of an address, never forgets them, and bans it for an hour at the
	// fifth; so some are left for people.
	maxWrong = 3
)

// refusal is what a daemon that did not let haul in has said.
type refusal struct {
	err   error // nil where there was none
	until time.Time
	tries int
	wrong int // passwords that the daemon has counted
}

// standing returns the refusal while it is too soon to try again.
func (r *refusal) standing(now time.Time) error {
	if r.err != nil && (r.wrong >= maxWrong || now.Before(r.until)) {
		return r.err
	}
	return nil
}

func (r *refusal) add(err error, wrong bool, now time.Time) {
	wait := min(lastBackOff, firstBackOff<<min(r.tries, 10))
	r.tries++
	if wrong {
		r.wrong++
	}
	r.err, r.until = err, now.Add(wait)
	if e, ok := errors.AsType[*errs.Error](err); ok && r.wrong >= maxWrong {
		r.err = e.WithHint("Correct the user name and the password in the downloader's settings; if they are right by now, save them again. " +
			"haul does not try any more, as qBittorrent would ban it.")
	}
}
