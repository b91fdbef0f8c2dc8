package driver

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/haul-dl/haul/plugins/qbittorrent/internal/qbittorrentrpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// idleTag keeps the limit of idle seeding, in minutes, at a torrent of a daemon
// that does not know such a limit (before 4.6); Check then ends its seeding.
const idleTag = haulTag + "-idle:"

// idleTagOf returns the tag for limits, "" for none.
func idleTagOf(seed *downloader.SeedLimits) string {
	if seed == nil || seed.Idle <= 0 {
		return ""
	}
	return idleTag + minuteLimit(seed.Idle)
}

// setIdleTag makes the tag that of the limits.
func (d *Driver) setIdleTag(ctx context.Context, t *qbittorrentrpc.Torrent, seed *downloader.SeedLimits) error {
	session, err := d.client.Open(ctx)
	if err != nil {
		return err
	}
	want := idleTagOf(seed)
	if session.API.EndsIdleSeeding() {
		want = ""
	}
	has := idleTagIn(t)
	if has == want {
		return nil
	}
	if has != "" {
		if err := d.client.RemoveTags(ctx, t.ID, has); err != nil {
			return err
		}
	}
	if want == "" {
		return nil
	}
	return d.client.AddTags(ctx, t.ID, want)
}

func idleTagIn(t *qbittorrentrpc.Torrent) string {
	for tag := range strings.SplitSeq(t.Tags, ",") {
		if tag = strings.TrimSpace(tag); strings.HasPrefix(tag, idleTag) {
			return tag
		}
	}
	return ""
}

// isIdle reports whether a torrent that seeds has been of no use to anybody for
// as long as its tag says.
func isIdle(t *qbittorrentrpc.Torrent, now time.Time) bool {
	minutes, err := strconv.Atoi(strings.TrimPrefix(idleTagIn(t), idleTag))
	if err != nil || t.LastActivity <= 0 {
		return false
	}
	return now.Sub(time.Unix(t.LastActivity, 0)) >= time.Duration(minutes)*time.Minute
}
