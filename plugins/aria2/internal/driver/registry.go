package driver

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
)

const refVersion = 1

// handle is what a Ref's Opaque holds.
type handle struct {
	// Kind is that of the source.
	Kind downloader.SourceKind `json:"kind,omitempty"`
	// Parts is the number of downloads that a metalink was taken apart into; 0
	// where the job is one download under the job's own gid.
	Parts int `json:"parts,omitempty"`
	// Dir is the mark of the job's directory, and Hash the torrent's info hash.
	Dir  string `json:"dir,omitempty"`
	Hash string `json:"hash,omitempty"`
	// FilesEnd is one more than the highest index among the files that Add was
	// asked for; 0 for all.
	FilesEnd int `json:"files_end,omitempty"`
}

// dirMark stands for a directory, whose path may be longer than a Ref.
func dirMark(dir string) string {
	sum := sha256.Sum256([]byte(filepath.Clean(dir)))
	return hex.EncodeToString(sum[:8])
}

// gidOf derives aria2's id of a download from haul's id of the job, so that the
// same job never gets two.
func gidOf(jobID string) string {
	sum := sha256.Sum256([]byte(jobID))
	return hex.EncodeToString(sum[:8])
}

// partGID is the gid of one file of a metalink.
func partGID(jobID string, index int) string { return gidOf(jobID + "#" + strconv.Itoa(index)) }

// gids returns those of all downloads of a job.
func (h handle) gids(jobID string) []string {
	if h.Parts == 0 {
		return []string{gidOf(jobID)}
	}
	out := make([]string, h.Parts)
	for i := range out {
		out[i] = partGID(jobID, i)
	}
	return out
}

func (h handle) ref(jobID string) downloader.Ref {
	opaque, err := json.Marshal(h)
	if err != nil { // a string and a number always fit
		opaque = nil
	}
	return downloader.Ref{JobID: jobID, Version: refVersion, Opaque: opaque}
}

// handleOf reads a Ref. One that it does not understand counts as that of a
// single download, which most are.
func handleOf(ref downloader.Ref) handle {
	var h handle
	if ref.Version != refVersion || json.Unmarshal(ref.Opaque, &h) != nil || h.Parts < 0 || h.Parts > maxParts {
		return handle{}
	}
	return h
}

// job is what the driver remembers of a job between calls; all of it can be
// learnt again.
type job struct {
	id     string
	handle handle
	gids   []string

	// What follows is guarded by the registry's mu.

	name string
	seen seen
	// files is there once all data is, and the session file is known not to
	// hold the job any more.
	files []downloader.File
	// adding means that Add has not returned yet; missed, that something ended
	// in that time.
	adding, missed bool
	// followers are the real downloads behind magnet links.
	followers []string
	// idle is how long the job may seed without a taker, 0 without end; idleKnown
	// tells that it was learnt. uploaded has not changed since uploadedAt.
	idle       time.Duration
	idleKnown  bool
	uploaded   int64
	uploadedAt time.Time
}

// seen is what a look at all of a torrent's download has told; another look is
// due once the download is another, or in another phase.
type seen struct {
	gid     string
	phase   downloader.Phase
	hasInfo bool
	// wanted is the size of the wanted files, which aria2 itself tells only once
	// the download has been started.
	wanted int64
}

// registry knows which job a download belongs to.
type registry struct {
	mu    sync.Mutex // guards what follows
	jobs  map[string]*job
	byGID map[string]*job // those of followers too
	// session is aria2's id of the daemon's present life.
	session string
}

func newRegistry() *registry {
	return &registry{jobs: map[string]*job{}, byGID: map[string]*job{}}
}

// get returns the job of a ref, and makes it when it is new.
func (r *registry) get(ref downloader.Ref) *job {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.getLocked(ref.JobID, handleOf(ref))
}

func (r *registry) getLocked(id string, h handle) *job {
	j := r.jobs[id]
	if j != nil && j.handle == h {
		return j
	}
	j = &job{id: id, handle: h, gids: h.gids(id)}
	r.jobs[id] = j
	for _, gid := range j.gids {
		r.byGID[gid] = j
	}
	return j
}

// begin registers a job that is about to be added, so that no end of it
// is lost. End it with added or forget.
func (r *registry) begin(id string, h handle) *job {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.getLocked(id, h)
	j.adding, j.missed, j.files, j.seen, j.idleKnown = true, false, nil, seen{}, false
	return j
}

// added ends begin; it reports whether something ended in between.
func (r *registry) added(j *job) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.adding = false
	return j.missed
}

// known returns what was remembered of a job.
func (r *registry) known(j *job) (name string, files []downloader.File, last seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return j.name, j.files, j.seen
}

// learn remembers what is known of a job now.
func (r *registry) learn(j *job, name string, files []downloader.File, last seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j.name, j.files, j.seen = name, files, last
}

// changed makes the next Check look at all of a job again.
func (r *registry) changed(ref downloader.Ref) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if j := r.jobs[ref.JobID]; j != nil {
		j.seen = seen{}
	}
}

// lives takes in which life of the daemon a look has met. After a restart the
// metadata of a magnet link may be that of the real download.
func (r *registry) lives(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.session == session {
		return
	}
	r.session = session
	for _, j := range r.jobs {
		j.seen = seen{}
	}
}

func (r *registry) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.jobs[id]
	if j == nil {
		return
	}
	delete(r.jobs, id)
	for _, gid := range slices.Concat(j.gids, j.followers) {
		delete(r.byGID, gid)
	}
}

// family returns all gids of the job that an event is about, or the gid alone
// where it is not known: it may be a follower's. A job that is being added has
// none yet, and is looked after when it was added, where something has ended.
func (r *registry) family(gid string, ended bool) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.byGID[gid]
	switch {
	case j == nil:
		return []string{gid}
	case j.adding:
		j.missed = j.missed || ended
		return nil
	}
	return slices.Concat(j.gids, j.followers)
}

// owners returns the jobs that the downloads of a snapshot belong to, without
// those that are being added.
func (r *registry) owners(snap snapshot) []*job {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[*job]bool{}
	var out []*job
	for gid := range snap {
		j := r.byGID[gid]
		if j == nil || seen[j] {
			continue
		}
		seen[j] = true
		if j.adding {
			j.missed = true
			continue
		}
		out = append(out, j)
	}
	return out
}

// adopt notes that a follower belongs to the job of another gid; it reports
// whether there is one.
func (r *registry) adopt(follower, gid string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	j := r.byGID[gid]
	if j == nil {
		return false
	}
	if r.byGID[follower] != j {
		r.byGID[follower] = j
		j.followers = append(j.followers, follower)
	}
	return true
}
