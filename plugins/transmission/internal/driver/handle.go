package driver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"regexp"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const handleVersion = 1

// handle is what a Ref holds: what finds the torrent again, and where its data
// belongs. Without a hash it is that of no torrent.
type handle struct {
	Hash  string `json:"hash"`
	Place place  `json:"place"`
}

// place is a digest of a folder's path: it fits into a label, and tells whether
// somebody has moved a torrent.
type place string

func placeOf(dir string) place {
	sum := sha256.Sum256([]byte(path.Clean(dir)))
	return place(hex.EncodeToString(sum[:8]))
}

// The daemon's numeric ids change at each start; and a call for an empty list
// of ids is one for all torrents. So nothing but a whole hash ever goes out.
var hashPattern = regexp.MustCompile(`^[0-9a-f]{40}$`)

func (h handle) ref(jobID string) downloader.Ref {
	opaque, err := json.Marshal(h)
	if err != nil {
		panic(err) // two strings can always be encoded
	}
	return downloader.Ref{JobID: jobID, Version: handleVersion, Opaque: opaque}
}

func readHandle(ref downloader.Ref) (handle, bool) {
	var h handle
	if json.Unmarshal(ref.Opaque, &h) != nil || !hashPattern.MatchString(h.Hash) || h.Place == "" {
		return handle{}, false
	}
	return h, true
}

// handles returns those of refs; those that do not say are found by their mark.
func (d *Driver) handles(ctx context.Context, refs []downloader.Ref) ([]handle, error) {
	out := make([]handle, len(refs))
	var found map[string]handle
	for i, ref := range refs {
		h, ok := readHandle(ref)
		if !ok && found == nil {
			var err error
			if found, err = d.marks(ctx); err != nil {
				return nil, err
			}
		}
		if !ok {
			h = found[ref.JobID]
		}
		out[i] = h
	}
	return out, nil
}

// find returns the torrent of a job, with its labels. It fails with
// errs.JobNotFound where there is none, and with errs.MovedAway where its data
// is elsewhere.
func (d *Driver) find(ctx context.Context, ref downloader.Ref) (handle, *torrent, error) {
	handles, err := d.handles(ctx, []downloader.Ref{ref})
	if err != nil {
		return handle{}, nil, err
	}
	h := handles[0]
	if h.Hash == "" {
		return h, nil, errs.New(errs.JobNotFound, "Transmission does not have the job.")
	}
	t, err := d.torrent(ctx, h.Hash)
	if err != nil {
		return h, nil, err
	}
	if t == nil {
		return h, nil, errs.New(errs.JobNotFound, "Transmission does not have the job.")
	}
	if placeOf(t.dir) != h.Place {
		return h, t, errMovedAway()
	}
	return h, t, nil
}

func errMovedAway() error {
	return errs.New(errs.MovedAway, "Somebody moved the torrent to another folder at Transmission.")
}
