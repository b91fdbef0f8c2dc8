// Package storage is the contract between haul and a plugin that brings finished
// files to a storage which is no local folder, such as a cloud.
//
// A plugin describes itself, is configured once per process, and then puts,
// looks at and removes files. Paths are relative to what the settings name,
// with slashes, without ".." and without a leading slash; they are valid UTF-8.
package storage

import (
	"context"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Plugin is one kind of storage. It is what a plugin's main hands to
// pluginmain.ServeStorage.
type Plugin interface {
	// Describe says what the plugin is. It may be called at any time, also
	// before Configure, must not block and must not fail.
	Describe(ctx context.Context) (Description, error)

	// Configure makes a driver for one storage. It is called once in a plugin
	// process. It checks the settings (errs.InvalidSettings with fields) but
	// does not need the storage to be reachable.
	Configure(ctx context.Context, cfg Config) (Driver, error)
}

// Description is what a plugin says about itself.
type Description struct {
	// Name is unique among plugins of storages: lower-case letters, digits, dashes.
	Name string
	// Version is the plugin's own, in semantic versioning without a "v".
	Version string
	// DisplayName is for people.
	DisplayName string
	// SettingsSchema is a JSON Schema (draft 2020-12) of Config.Settings; see
	// downloader.Description.SettingsSchema for its marks.
	SettingsSchema []byte
}

// Config is what one storage is configured with.
type Config struct {
	// StorageID is haul's id of the storage.
	StorageID string
	// Settings is a JSON object that matches the settings schema.
	Settings []byte
	// StateDir is a directory of the driver's own, mode 0700, that outlives the
	// process, such as for refreshed access tokens.
	StateDir string
	// Logger writes to haul's log. It is never nil.
	Logger hclog.Logger
}

// Driver keeps files in one storage. All methods may be called concurrently and
// obey the context's deadline. Errors carry a code of package errs:
// errs.StorageUnreachable, errs.StorageAuthFailed and errs.StorageError may
// pass; errs.OutOfSpace, errs.DestinationReadOnly, errs.NameNotPossible,
// errs.DestinationExists and errs.NotFound say what they say.
type Driver interface {
	// Put stores a file so that nobody sees it before it is whole: under its
	// own name at the end, or not at all. It makes the folders above it. Without
	// Overwrite it fails with errs.DestinationExists where something has the
	// name, as far as the storage can tell. What a Put leaves that was cut off
	// the next Put of the same path removes, or the storage by itself.
	Put(ctx context.Context, req PutRequest) (Object, error)

	// Stat returns what is at a path, or errs.NotFound.
	Stat(ctx context.Context, path string) (Object, error)

	// Remove removes a file, or a folder that is empty; what is gone is success.
	// A folder that is not empty is errs.InUse. It also removes what a Put of that
	// path has left that was cut off, where the storage does not do that by itself.
	Remove(ctx context.Context, path string) error

	// Test tries reachability, credentials, and whether a file can be written
	// and removed, each as a check of its own. Trouble is a part of the result.
	Test(ctx context.Context) (downloader.TestResult, error)

	// Space returns how much fits in, errs.NotOffered where the storage does
	// not tell.
	Space(ctx context.Context) (Space, error)
}

// PutRequest is one file to store.
type PutRequest struct {
	Path string
	// Size is in bytes; Content has exactly as many, or its Read fails.
	Size    int64
	ModTime time.Time
	// Overwrite replaces a file of that name.
	Overwrite bool
	Content   io.Reader
	// Progress is told how many bytes the storage has taken; it must not block
	// and may be nil.
	Progress func(done int64)
}

// Object is a file or folder of a storage.
type Object struct {
	Path string
	Dir  bool
	// Size is in bytes.
	Size int64
	// SHA256, SHA1 and MD5 are lower-case hex digits, empty where the storage
	// does not know them without reading the file.
	SHA256, SHA1, MD5 string
	ModTime           time.Time
}

// Space is in bytes; -1 where not known.
type Space struct{ Free, Total int64 }

// Closer is a Driver that holds something to let go at the end.
type Closer interface {
	Close(ctx context.Context) error
}
