package core

import (
	"fmt"
	"time"

	"github.com/google/uuid"
)

// An id is a UUIDv7 in its canonical text form, so ids sort by creation time.
// Each kind of thing has its own type, so that they cannot be mixed up.
type (
	// TaskID identifies a Task.
	TaskID string
	// JobID identifies a Job. It is also what a downloader's Add is idempotent on.
	JobID string
	// NodeID identifies a Node.
	NodeID string
	// DownloaderID identifies a Downloader.
	DownloaderID string
	// StorageID identifies a Storage.
	StorageID string
	// UserID identifies a User.
	UserID string
	// GroupID identifies a Group.
	GroupID string
	// TokenID identifies a Token.
	TokenID string
)

// NewID returns a fresh id of the wanted type. Ids of one process ascend.
func NewID[T ~string]() T {
	return T(uuid.Must(uuid.NewV7()).String())
}

// ParseID returns s as an id if it is a UUID in canonical form.
func ParseID[T ~string](s string) (T, error) {
	u, err := uuid.Parse(s)
	if err != nil || u.String() != s {
		return "", fmt.Errorf("%q is not an id", s)
	}
	return T(s), nil
}

// Clock tells the time; time.Now is one.
type Clock func() time.Time
