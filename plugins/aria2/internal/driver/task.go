package driver

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// task is what aria2 says of one download.
type task struct {
	GID             string   `json:"gid"`
	Status          string   `json:"status"`
	TotalLength     number   `json:"totalLength"`
	CompletedLength number   `json:"completedLength"`
	UploadLength    number   `json:"uploadLength"`
	DownloadSpeed   number   `json:"downloadSpeed"`
	UploadSpeed     number   `json:"uploadSpeed"`
	Connections     number   `json:"connections"`
	NumSeeders      number   `json:"numSeeders"`
	Seeder          string   `json:"seeder"`
	ErrorCode       string   `json:"errorCode"`
	ErrorMessage    string   `json:"errorMessage"`
	InfoHash        string   `json:"infoHash"`
	FollowedBy      []string `json:"followedBy"`
	Following       string   `json:"following"`
	// Both are there only while data is verified.
	VerifiedLength *number `json:"verifiedLength"`
	VerifyPending  string  `json:"verifyIntegrityPending"`

	// What follows comes with detailKeys only.

	Dir        string `json:"dir"`
	Files      []file `json:"files"`
	BitTorrent struct {
		Info struct {
			Name string `json:"name"`
		} `json:"info"`
	} `json:"bittorrent"`
	// detailed is set where Driver.details or lookDetailed asked; saved, where the
	// session was saved after it; wrong is what is wrong with the selection of files.
	detailed, saved bool
	wrong           error
}

type file struct {
	Index           number `json:"index"`
	Path            string `json:"path"`
	Length          number `json:"length"`
	CompletedLength number `json:"completedLength"`
	Selected        string `json:"selected"`
	URIs            []struct {
		URI string `json:"uri"`
	} `json:"uris"`
}

var (
	// bulkKeys are cheap, for all downloads in each tick.
	bulkKeys = []string{
		"gid", "status", "totalLength", "completedLength", "uploadLength", "downloadSpeed", "uploadSpeed",
		"connections", "numSeeders", "seeder", "errorCode", "errorMessage", "infoHash", "followedBy", "following",
		"verifiedLength", "verifyIntegrityPending",
	}
	// detailKeys may be long, for few downloads at few moments.
	detailKeys = append(append([]string(nil), bulkKeys...), "dir", "files", "bittorrent")
)

// number is a decimal in a string, as aria2 writes all of them.
type number int64

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(b []byte) error {
	v, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil {
		return fmt.Errorf("not a decimal number: %w", err)
	}
	*n = number(v)
	return nil
}

// snapshot has downloads by gid.
type snapshot map[string]*task

// resolve returns the download that does the work of a gid: itself, or for a
// magnet link with metadata the one that follows. It is nil when it is lost.
func (s snapshot) resolve(gid string) *task {
	t := s[gid]
	if t != nil && len(t.FollowedBy) > 0 {
		return s[t.FollowedBy[0]]
	}
	return t
}

// allTasks is far beyond what a daemon holds.
const allTasks = 1 << 24

// everything asks for all downloads of the daemon, in one request.
func (d *Driver) everything(ctx context.Context) (snapshot, error) {
	results, err := d.client.Do(ctx,
		aria2rpc.NewCall("aria2.getSessionInfo"),
		aria2rpc.NewCall("aria2.tellActive", bulkKeys),
		aria2rpc.NewCall("aria2.tellWaiting", 0, allTasks, bulkKeys),
		aria2rpc.NewCall("aria2.tellStopped", 0, allTasks, bulkKeys),
	)
	if err != nil {
		return nil, err
	}
	var session struct {
		ID string `json:"sessionId"`
	}
	if err := results[0].Decode(&session); err != nil {
		return nil, oddAnswer(err)
	}
	d.jobs.lives(session.ID)
	snap := snapshot{}
	for _, r := range results[1:] {
		var list []*task
		if err := r.Decode(&list); err != nil {
			return nil, oddAnswer(err)
		}
		for _, t := range list {
			snap[t.GID] = t
		}
	}
	return snap, nil
}

// look asks for single downloads and puts those that exist into snap.
func (d *Driver) look(ctx context.Context, snap snapshot, gids ...string) error {
	if len(gids) == 0 {
		return nil
	}
	results, err := d.reads.Do(ctx, tellStatus(bulkKeys, gids)...)
	if err != nil {
		return err
	}
	return snap.take(results, task{})
}

// lookDetailed is look with all keys.
func (d *Driver) lookDetailed(ctx context.Context, snap snapshot, gids ...string) error {
	if len(gids) == 0 {
		return nil
	}
	results, err := d.reads.Do(ctx, tellStatus(detailKeys, gids)...)
	if err != nil {
		return err
	}
	return snap.take(results, task{detailed: true})
}

// details is lookDetailed followed in the same request by a save of the
// session: what details says is complete, the session file does not hold any
// more.
func (d *Driver) details(ctx context.Context, snap snapshot, gids ...string) error {
	results, err := d.changes.Do(ctx, tellStatus(detailKeys, gids)...)
	if err != nil {
		return err
	}
	return snap.take(results, task{detailed: true, saved: true})
}

func tellStatus(keys []string, gids []string) []aria2rpc.Call {
	calls := make([]aria2rpc.Call, len(gids))
	for i, gid := range gids {
		calls[i] = aria2rpc.NewCall("aria2.tellStatus", gid, keys)
	}
	return calls
}

// take adds the answers to tellStatus, on the ground of as; a download that is
// not there is left out.
func (s snapshot) take(results []aria2rpc.Result, as task) error {
	for _, r := range results {
		if aria2rpc.IsNotFound(r.Err) {
			continue
		}
		t := as
		if err := r.Decode(&t); err != nil {
			return oddAnswer(err)
		}
		s[t.GID] = &t
	}
	return nil
}

func oddAnswer(err error) error {
	return errs.Wrap(err, errs.DownloaderError, "aria2 gave an answer that haul does not understand.")
}

// phase says what aria2's status means for the download itself.
func (t *task) phase() downloader.Phase {
	switch t.Status {
	case "waiting":
		return downloader.PhaseQueued
	case "paused":
		if t.Seeder == "true" && t.TotalLength > 0 && t.CompletedLength == t.TotalLength {
			return downloader.PhaseComplete // it seeded, and nothing more happens
		}
		return downloader.PhasePaused
	case "complete":
		return downloader.PhaseComplete
	case "error":
		return downloader.PhaseFailed
	case "removed": // by hand
		return downloader.PhaseGone
	case "active":
	default:
		return downloader.PhaseUnknown
	}
	switch {
	case t.VerifiedLength != nil || t.VerifyPending == "true":
		return downloader.PhaseChecking
	case t.Seeder == "true":
		return downloader.PhaseSeeding
	}
	return downloader.PhaseDownloading
}

// isMetadata reports whether a detailed task loads, or loaded, the metadata of a
// magnet link alone: the name of its one file begins with a mark then.
func (t *task) isMetadata() bool {
	return t.detailed && len(t.Files) == 1 && strings.HasPrefix(t.Files[0].Path, "[METADATA]")
}

// hasMetadata reports whether a detailed torrent task knows its files.
func (t *task) hasMetadata() bool { return t.BitTorrent.Info.Name != "" }
