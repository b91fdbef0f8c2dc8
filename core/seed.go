package core

import (
	"fmt"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// SeedPolicy says whether and how long a torrent is shared after its files were
// delivered. Seeding ends at whichever limit is reached first; the seeded data
// is removed then, and when the last task that wants it is canceled or deleted,
// and never for another reason.
type SeedPolicy struct {
	Enabled bool `json:"enabled"`
	// Ratio is the uploaded bytes per downloaded byte; 0 is no limit.
	Ratio float64 `json:"ratio,omitempty"`
	// TimeSeconds is since all was loaded, IdleSeconds since somebody last took
	// a byte; 0 is no limit.
	TimeSeconds int64 `json:"time_seconds,omitempty"`
	IdleSeconds int64 `json:"idle_seconds,omitempty"`
}

// PrivateSeedPolicy is what private trackers usually expect. It holds for
// private torrents for which nobody has said anything.
var PrivateSeedPolicy = SeedPolicy{Enabled: true, Ratio: 1, TimeSeconds: int64(72 * time.Hour / time.Second)}

// Bounds of a SeedPolicy: far more than anybody shares, and a century, which a
// time.Duration still holds.
const (
	maxSeedRatio   = 10_000
	maxSeedSeconds = 100 * 366 * 24 * 3600
)

// Wrong says which fields make no sense; those of nil do.
func (p *SeedPolicy) Wrong() []errs.Field {
	if p == nil {
		return nil
	}
	var wrong []errs.Field
	if !(p.Ratio >= 0 && p.Ratio <= maxSeedRatio) { // nor NaN
		wrong = append(wrong, errs.Field{Name: "seed.ratio", Message: fmt.Sprintf("must be 0 to %d", maxSeedRatio)})
	}
	for _, bound := range []struct {
		name    string
		seconds int64
	}{{"time_seconds", p.TimeSeconds}, {"idle_seconds", p.IdleSeconds}} {
		if bound.seconds < 0 || bound.seconds > maxSeedSeconds {
			wrong = append(wrong, errs.Field{Name: "seed." + bound.name, Message: fmt.Sprintf("must be 0 to %d", maxSeedSeconds)})
		}
	}
	return wrong
}

// Limits returns the policy for a downloader; nil is no seeding.
func (p *SeedPolicy) Limits() *downloader.SeedLimits {
	if p == nil || !p.Enabled {
		return nil
	}
	return &downloader.SeedLimits{
		Ratio: p.Ratio,
		Time:  time.Duration(p.TimeSeconds) * time.Second,
		Idle:  time.Duration(p.IdleSeconds) * time.Second,
	}
}

// EffectiveSeed returns the first policy that says anything: of a task, its
// owner's group, its downloader, and for a private torrent PrivateSeedPolicy.
func EffectiveSeed(private bool, policies ...*SeedPolicy) *downloader.SeedLimits {
	for _, p := range policies {
		if p != nil {
			return p.Limits()
		}
	}
	if private {
		return PrivateSeedPolicy.Limits()
	}
	return nil
}

// widerLimits returns limits under which both a and b get what they want.
func widerLimits(a, b downloader.Limits) downloader.Limits {
	return downloader.Limits{
		DownloadRate: widest(a.DownloadRate, b.DownloadRate),
		UploadRate:   widest(a.UploadRate, b.UploadRate),
		Seed:         widerSeed(a.Seed, b.Seed),
	}
}

func widerSeed(a, b *downloader.SeedLimits) *downloader.SeedLimits {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &downloader.SeedLimits{
		Ratio: widest(a.Ratio, b.Ratio), Time: widest(a.Time, b.Time), Idle: widest(a.Idle, b.Idle),
	}
}

// widest returns the greater bound, where 0 is none.
func widest[N int64 | float64 | time.Duration](a, b N) N {
	if a == 0 || b == 0 {
		return 0
	}
	return max(a, b)
}
