package store

import (
	"context"
)

// Migration is one for tests of the machinery.
type Migration struct {
	Version int
	Run     func(ctx context.Context, kv KV) error
}

// OpenWith is New with another list of migrations.
func OpenWith(ctx context.Context, kv KV, o Options, list ...Migration) (*Store, error) {
	var own []migration
	for _, m := range list {
		own = append(own, migration{version: m.Version, name: "a test", run: m.Run})
	}
	return open(ctx, kv, o, own)
}

// ReleasedVersions are those of the real migrations.
func ReleasedVersions() []int {
	var out []int
	for _, m := range migrations {
		out = append(out, m.version)
	}
	return out
}

// MaxScanned is how many tasks one call of Tasks looks at.
const MaxScanned = maxScanned
