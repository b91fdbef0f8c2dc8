package lab

import (
	"context"
	"io"
	"time"
)

// paced reads at a rate. It wakes up a few times a second, whatever the rate,
// so that hundreds of slow connections cost next to nothing.
type paced struct {
	io.ReadSeeker
	ctx   context.Context
	rate  int64
	every time.Duration
	began time.Time
	read  int64 // since began
}

// slowTick still looks steady to a client that counts once a second.
const (
	slowTick = 250 * time.Millisecond
	fastTick = 20 * time.Millisecond
	fastRate = 64 << 10
)

func newPaced(ctx context.Context, r io.ReadSeeker, rate int64) *paced {
	p := &paced{ReadSeeker: r, ctx: ctx, rate: rate, every: slowTick}
	if rate >= fastRate {
		p.every = fastTick
	}
	return p
}

// Seek starts the clock again.
func (p *paced) Seek(offset int64, whence int) (int64, error) {
	p.began, p.read = time.Time{}, 0
	return p.ReadSeeker.Seek(offset, whence)
}

func (p *paced) Read(b []byte) (int, error) {
	if p.began.IsZero() {
		p.began = time.Now()
	}
	chunk := max(1, p.rate*int64(p.every)/int64(time.Second))
	due := time.Duration(float64(p.read+chunk) / float64(p.rate) * float64(time.Second))
	if err := sleepUntil(p.ctx, p.began.Add(due)); err != nil {
		return 0, err
	}
	n, err := p.ReadSeeker.Read(b[:min(int64(len(b)), chunk)])
	p.read += int64(n)
	return n, err
}

// sleepUntil waits for a time, or gives up with the context.
func sleepUntil(ctx context.Context, at time.Time) error {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
