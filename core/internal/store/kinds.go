package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/secret"
)

// kinds are all kinds of records.
type kinds struct {
	task        kind[core.Task]
	job         kind[core.Job]
	user        kind[core.User]
	group       kind[core.Group]
	token       kind[core.Token]
	node        kind[core.Node]
	downloader  kind[core.Downloader]
	storage     kind[core.Storage]
	idempotency kind[Idempotency]
}

// Prefixes of the indexes; see Store.
const (
	contentPrefix       = "task.content/"
	historyPrefix       = "task.history/"
	taskOwnerIndex      = "task.owner/"
	taskStateIndex      = "task.state/"
	taskLateIndex       = "task.late/" // by those whose files have to go
	taskJobIndex        = "task.job/"
	jobNodeIndex        = "job.node/"
	jobHashes           = "job.hash/"
	userNames           = "user.name/"
	groupNames          = "group.name/"
	nodeNames           = "node.name/"
	downloaderNames     = "downloader.name/"
	storageNames        = "storage.name/"
	tokenHashes         = "token.hash/"
	tokenUserIndex      = "token.user/"
	tokenExpiryIndex    = "token.expiry/" //nolint:gosec // no credential
	idempotencyAgeIndex = "idempotency.age/"

	countState      = "task.count/state/"
	countOwner      = "task.count/owner/"
	countDownloader = "task.count/downloader/"
	countStorage    = "task.count/storage/"
)

func newKinds(box *secret.Box) *kinds {
	return &kinds{
		task: withSealedOptions(kind[core.Task]{
			name: "task", id: func(t *core.Task) string { return string(t.ID) },
			entries: taskEntries, counters: taskCounters,
		}, box, func(t *core.Task) *json.RawMessage { return &t.Options }),
		job: withSealedOptions(kind[core.Job]{
			name: "job", id: func(j *core.Job) string { return string(j.ID) },
			entries: func(j *core.Job) []string { return []string{jobNodeIndex + string(j.Node) + "/" + string(j.ID)} },
			unique:  jobHash,
		}, box, func(j *core.Job) *json.RawMessage { return &j.Options }),
		user: kind[core.User]{
			name: "user", id: func(u *core.User) string { return string(u.ID) },
			unique: func(u *core.User) []string { return []string{userNames + u.Name} },
		},
		group: kind[core.Group]{
			name: "group", id: func(g *core.Group) string { return string(g.ID) },
			unique: func(g *core.Group) []string { return []string{groupNames + g.Name} },
		},
		token: kind[core.Token]{
			name: "token", id: func(t *core.Token) string { return string(t.ID) },
			unique: func(t *core.Token) []string { return []string{tokenHashes + t.Hash} }, entries: tokenEntries,
		},
		node: kind[core.Node]{
			name: "node", id: func(n *core.Node) string { return string(n.ID) },
			unique: func(n *core.Node) []string { return []string{nodeNames + n.Name} },
		},
		downloader: withSealedOptions(downloaderKind(box), box, func(d *core.Downloader) *json.RawMessage { return &d.Options }),
		storage:    storageKind(box),
		idempotency: kind[Idempotency]{
			name: "idempotency", id: func(i *Idempotency) string { return idempotencyID(i.Owner, i.Key) },
			entries: func(i *Idempotency) []string {
				return []string{idempotencyAgeIndex + sortable(i.CreatedAt) + "/" + idempotencyID(i.Owner, i.Key)}
			},
		},
	}
}

// taskEntries leaves a deleted task in the index of its job, which may still have
// to be ended, and in that of the tasks whose files have to go.
func taskEntries(t *core.Task) []string {
	out := make([]string, 0, 3)
	if t.Job != "" {
		out = append(out, taskJobIndex+string(t.Job)+"/"+string(t.ID))
	}
	if t.FilesMustGo() {
		out = append(out, taskLateIndex+string(t.ID))
	}
	if t.DeletedAt != nil {
		return out
	}
	return append(out,
		taskOwnerIndex+string(t.Owner)+"/"+string(t.ID),
		taskStateIndex+string(t.State)+"/"+string(t.ID))
}

// taskCounters counts a deleted task for its storage alone, until it has ended.
func taskCounters(t *core.Task) []string {
	out := make([]string, 0, 4)
	if !t.State.Ended() && t.Destination.Storage != "" {
		out = append(out, countStorage+string(t.Destination.Storage))
	}
	if t.DeletedAt != nil {
		return out
	}
	out = append(out, countState+string(t.State), countOwner+string(t.Owner)+"/"+string(t.State))
	if t.Downloader != "" {
		out = append(out, countDownloader+string(t.Downloader)+"/"+string(t.State))
	}
	return out
}

// jobHash keeps a torrent from being loaded twice at one downloader.
func jobHash(j *core.Job) []string {
	if j.InfoHash == "" {
		return nil
	}
	return []string{jobHashes + string(j.Node) + "/" + string(j.Downloader) + "/" + j.InfoHash}
}

func tokenEntries(t *core.Token) []string {
	out := []string{tokenUserIndex + string(t.User) + "/" + string(t.ID)}
	if !t.ExpiresAt.IsZero() {
		out = append(out, tokenExpiryIndex+sortable(t.ExpiresAt)+"/"+string(t.ID))
	}
	return out
}

// sortable returns a time as text that sorts as times do, to the second.
func sortable(t time.Time) string { return fmt.Sprintf("%012d", max(0, t.Unix())) }

// Idempotency is what is remembered of a request with an Idempotency-Key.
type Idempotency struct {
	// Owner and Key are set by Tx.PutIdempotency.
	Owner core.UserID `json:"owner"`
	Key   string      `json:"key"`
	// RequestHash tells another request under the same key.
	RequestHash string `json:"request_hash"`
	// Tasks are what the request made.
	Tasks     []core.TaskID `json:"tasks"`
	CreatedAt time.Time     `json:"created_at"`
}

// idempotencyID hashes the key, which may hold anything.
func idempotencyID(owner core.UserID, key string) string {
	sum := sha256.Sum256([]byte(key))
	return string(owner) + "." + hex.EncodeToString(sum[:])
}
