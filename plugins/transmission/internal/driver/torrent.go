package driver

import (
	"context"
	"time"

	"github.com/haul-dl/haul/plugins/transmission/internal/transmissionrpc"
	"github.com/haul-dl/haul/sdk/downloader"
)

// The daemon's states of a torrent.
const (
	stopped = iota
	waitsToCheck
	checks
	waitsToLoad
	loads
	waitsToSeed
	seeds
)

// localError is the daemon's error of the torrent's own; others come from
// trackers, and do not stop it.
const localError = 3

// lookFields are what a look at all jobs asks for.
var lookFields = []string{
	"hashString", "name", "status", "error", "errorString", "downloadDir", "metadataPercentComplete",
	"sizeWhenDone", "leftUntilDone", "uploadedEver", "rateDownload", "rateUpload",
	"peersConnected", "webseedsSendingToUs", "seedRatioLimit", "secondsSeeding",
}

// torrent is one torrent at one moment.
type torrent struct {
	hash, name, dir      string
	status, err          int64
	message              string
	metadata             bool
	size, left, uploaded int64
	down, up             int64
	peers, webSeeds      int64
	seedless             bool
	seeding              time.Duration
	// What follows is known of a torrent that was asked for alone.
	added       time.Time
	labels      []string
	hasWebSeeds bool
}

func readTorrent(r transmissionrpc.Row) *torrent {
	return &torrent{
		hash: r.Text("hashString"), name: r.Text("name"), dir: r.Text("downloadDir"),
		status: r.Int("status"), err: r.Int("error"), message: r.Text("errorString"),
		metadata: r.Float("metadataPercentComplete") >= 1,
		size:     r.Int("sizeWhenDone"), left: r.Int("leftUntilDone"), uploaded: r.Int("uploadedEver"),
		down: r.Int("rateDownload"), up: r.Int("rateUpload"),
		peers: r.Int("peersConnected"), webSeeds: r.Int("webseedsSendingToUs"),
		seedless: r.Float("seedRatioLimit") == 0,
		seeding:  time.Duration(r.Int("secondsSeeding")) * time.Second,
		added:    time.Unix(r.Int("addedDate"), 0),
		labels:   r.Texts("labels"), hasWebSeeds: len(r.Texts("webseeds")) > 0,
	}
}

// torrent asks for one torrent, and for more than a look does; nil is none.
func (d *Driver) torrent(ctx context.Context, hash string) (*torrent, error) {
	table, err := d.client.Table(ctx, []string{hash}, append([]string{"addedDate", "labels", "webseeds"}, lookFields...))
	if err != nil {
		return nil, downloaderError(err)
	}
	for row := range table.Rows {
		if t := readTorrent(row); t.hash == hash {
			return t, nil
		}
	}
	return nil, nil
}

// phase says what the torrent is doing. An error comes first: what has failed
// claims to be complete, and so does what has no metadata yet.
func (t *torrent) phase() downloader.Phase {
	switch {
	case t.err == localError:
		return downloader.PhaseFailed
	case t.status == stopped && (!t.metadata || t.left > 0):
		return downloader.PhasePaused
	case t.status == waitsToLoad:
		return downloader.PhaseQueued
	case !t.metadata:
		return downloader.PhaseMetadata
	}
	switch t.status {
	case stopped:
		return downloader.PhaseComplete
	case waitsToCheck, checks:
		return downloader.PhaseChecking
	case loads:
		return downloader.PhaseDownloading
	case waitsToSeed, seeds:
		if t.seedless || t.left > 0 { // it is stopped, and then complete
			return downloader.PhaseDownloading
		}
		return downloader.PhaseSeeding
	}
	return downloader.PhaseUnknown
}

// seedsTooMuch reports whether a torrent seeds that shall not, or not any more.
// 4.1.0 says for a moment that it seeds what it has just got the metadata of.
func (t *torrent) seedsTooMuch(most time.Duration) bool {
	if t.status != waitsToSeed && t.status != seeds || !t.metadata || t.left > 0 || t.err == localError {
		return false
	}
	return t.seedless || most > 0 && t.seeding >= most
}
