package driver

import (
	"context"
	"math"
	"strconv"
	"time"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// SetLimits implements downloader.Limiter.
func (d *Driver) SetLimits(ctx context.Context, ref downloader.Ref, limits downloader.Limits) error {
	if limits.Seed != nil {
		if err := d.sharing.check(ctx, d); err != nil {
			return err
		}
	}
	j, err := d.get(ctx, ref)
	if err != nil {
		return err
	}
	if err := d.client.SetRates(ctx, j.torrent.ID, limits.DownloadRate, limits.UploadRate); err != nil {
		return err
	}
	if err := d.setIdleTag(ctx, j.torrent, limits.Seed); err != nil {
		return err
	}
	return d.client.SetShareLimits(ctx, j.torrent.ID, shareLimits(limits.Seed))
}

// shareLimits says when seeding ends in qBittorrent's words. A job that must
// not seed has a ratio of 0, by which Check knows it again. The daemon's own
// limits, and its own action at them, count for none of haul's torrents.
func shareLimits(seed *downloader.SeedLimits) map[string]string {
	ratio, minutes, idle := "0", "0", "0"
	if seed != nil {
		ratio, minutes, idle = ratioLimit(seed.Ratio), minuteLimit(seed.Time), minuteLimit(seed.Idle)
	}
	return map[string]string{
		"ratioLimit": ratio, "seedingTimeLimit": minutes, "inactiveSeedingTimeLimit": idle,
		"shareLimitAction": "Stop", "shareLimitsMode": "MatchAny",
	}
}

func ratioLimit(ratio float64) string {
	if ratio <= 0 {
		return strconv.Itoa(qbittorrentrpc.NoLimit)
	}
	return strconv.FormatFloat(ratio, 'f', -1, 64)
}

// minuteLimit rounds up, so that a short limit does not become none at all.
func minuteLimit(d time.Duration) string {
	if d <= 0 {
		return strconv.Itoa(qbittorrentrpc.NoLimit)
	}
	const most = 5_000_000 // minutes, nearly ten years: the daemon counts seconds in 32 bits
	return strconv.Itoa(int(min(most, math.Ceil(d.Minutes()))))
}

// mustNotSeed reports whether a torrent's limits say so.
func mustNotSeed(t *qbittorrentrpc.Torrent) bool { return t.RatioLimit == 0 }
