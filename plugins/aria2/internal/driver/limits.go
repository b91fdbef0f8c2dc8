package driver

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// maxSeedTime is without end to aria2, in minutes: it counts the seconds with 32
// bits, and ends at once beyond them.
const maxSeedTime = 35_000_000

// SetLimits implements downloader.Limiter. Rates change at once; for a change of
// the seeding aria2 restarts the torrent, which it does on its own.
func (d *Driver) SetLimits(ctx context.Context, ref downloader.Ref, limits downloader.Limits) error {
	parts := max(handleOf(ref).Parts, 1)
	err := d.settle(ctx, ref, d.optioned, func(t target) ([]aria2rpc.Call, error) {
		if t.stopped() || t.options == nil {
			return nil, nil
		}
		change := options{}
		for key, value := range limitOptions(limits, parts, t) {
			if t.options[key] != value {
				change[key] = value
			}
		}
		if len(change) == 0 {
			return nil, nil
		}
		return []aria2rpc.Call{aria2rpc.NewCall("aria2.changeOption", t.GID, change)}, nil
	})
	if err == nil {
		d.jobs.setIdle(ref, idleOf(limits))
	}
	return err
}

// limitOptions are those that a download with these limits has.
func limitOptions(limits downloader.Limits, parts int, t target) map[string]string {
	out := map[string]string{
		"max-download-limit": rate(limits.DownloadRate, parts),
		"max-upload-limit":   rate(limits.UploadRate, parts),
	}
	if t.InfoHash == "" {
		return out
	}
	maps.Copy(out, seedOptions(limits.Seed))
	out[markOption] = withIdle(t.options[markOption], idleOf(limits))
	return out
}

// rate writes the share of one download; 0 is no limit.
func rate(limit int64, parts int) string {
	if limit <= 0 {
		return "0"
	}
	return strconv.FormatInt(max(limit/int64(parts), 1), 10)
}

// setRates limits a download from its beginning. Where haul sets no limit the
// daemon's own stays.
func setRates(o options, limits downloader.Limits, parts int) {
	if limits.DownloadRate > 0 {
		o["max-download-limit"] = rate(limits.DownloadRate, parts)
	}
	if limits.UploadRate > 0 {
		o["max-upload-limit"] = rate(limits.UploadRate, parts)
	}
}

// seedOptions say how long to seed; both are always set, as the daemon has
// defaults. A ratio of 0 is none.
func seedOptions(seed *downloader.SeedLimits) map[string]string {
	if seed == nil {
		return map[string]string{"seed-time": "0"}
	}
	minutes := min(seed.Time.Minutes(), maxSeedTime)
	if seed.Time <= 0 {
		minutes = maxSeedTime
	}
	ratio := strconv.FormatFloat(max(seed.Ratio, 0), 'f', -1, 64)
	if ratio == "0" {
		ratio = "0.0"
	}
	return map[string]string{"seed-time": strconv.FormatFloat(minutes, 'f', -1, 64), "seed-ratio": ratio}
}

func idleOf(limits downloader.Limits) time.Duration {
	if limits.Seed == nil {
		return 0
	}
	return max(limits.Seed.Idle, 0)
}

// withIdle returns a mark with the limit of idle seeding, or without one for 0.
func withIdle(mark string, idle time.Duration) string {
	if f := strings.Split(mark, "/"); len(f) == markParts+1 {
		mark = strings.Join(f[:markParts], "/")
	}
	if idle <= 0 {
		return mark
	}
	seconds := int64(max(idle, time.Second) / time.Second)
	return mark + "/" + strconv.FormatInt(seconds, 10)
}

// idleIn returns the limit of idle seeding that a mark holds, 0 for none.
func idleIn(mark string) time.Duration {
	f := strings.Split(mark, "/")
	if len(f) != markParts+1 {
		return 0
	}
	seconds, err := strconv.ParseInt(f[markParts], 10, 64)
	if err != nil || seconds < 0 || seconds > int64(1<<62/time.Second) {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
