package driver

import (
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

// The daemon's modes of seeding limits.
const (
	seedOwn       = 1 // the torrent's own limit
	seedUnlimited = 2
)

const (
	// rateUnit is what the daemon calls a kilobyte.
	rateUnit = 1000
	idleUnit = time.Minute
	// anyRatio is what an unlimited torrent has for a limit.
	anyRatio = 1
)

// limitArguments are those of torrent-set. They replace whatever was set, so
// that the daemon's own limits on seeding never count. A ratio of 0 says not to
// seed; it is how a later look recognizes that, whatever the mode: 3.00 turns it
// to unlimited when it starts what has all its data, such as after it verified it.
func limitArguments(l downloader.Limits) map[string]any {
	args := map[string]any{
		"downloadLimited": l.DownloadRate > 0, "uploadLimited": l.UploadRate > 0,
		"seedRatioMode": seedUnlimited, "seedRatioLimit": anyRatio, "seedIdleMode": seedUnlimited,
	}
	if l.DownloadRate > 0 {
		args["downloadLimit"] = roundUp(l.DownloadRate, rateUnit)
	}
	if l.UploadRate > 0 {
		args["uploadLimit"] = roundUp(l.UploadRate, rateUnit)
	}
	switch {
	case l.Seed == nil:
		args["seedRatioMode"], args["seedRatioLimit"] = seedOwn, 0
	case l.Seed.Ratio > 0:
		args["seedRatioMode"], args["seedRatioLimit"] = seedOwn, l.Seed.Ratio
	}
	if l.Seed != nil && l.Seed.Idle > 0 {
		args["seedIdleMode"], args["seedIdleLimit"] = seedOwn, roundUp(int64(l.Seed.Idle), int64(idleUnit))
	}
	return args
}

// seedTime is the limit that the daemon does not have, and that the driver
// keeps by itself; 0 is none.
func seedTime(l downloader.Limits) time.Duration {
	if l.Seed == nil {
		return 0
	}
	return l.Seed.Time
}

func roundUp(n, unit int64) int64 { return (n-1)/unit + 1 }
