package driver

import (
	"context"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
)

// details are what the daemon says of one torrent besides how it fares.
type details struct {
	Hash   string   `json:"hashString"`
	Labels []string `json:"labels"`
	Files  []struct {
		Name      string  `json:"name"`
		Length    float64 `json:"length"`
		Completed float64 `json:"bytesCompleted"`
	} `json:"files"`
	Wanted []flag `json:"wanted"`

	files []downloader.File
}

// flag is true or false, as a number or a boolean.
type flag bool

// UnmarshalJSON implements json.Unmarshaler.
func (f *flag) UnmarshalJSON(b []byte) error {
	*f = string(b) == "1" || string(b) == "true"
	return nil
}

// details asks for labels and files of torrents.
func (d *Driver) details(ctx context.Context, hashes []string) (map[string]*details, error) {
	args := ids(hashes...)
	args["fields"] = []string{"hashString", "labels", "files", "wanted"}
	var answer struct {
		Torrents []*details `json:"torrents"`
	}
	if err := d.client.Call(ctx, "torrent-get", args, &answer); err != nil {
		return nil, downloaderError(err)
	}
	server, err := d.client.Server(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*details, len(answer.Torrents))
	for _, one := range answer.Torrents {
		one.files = one.list(server.RPC)
		out[one.Hash] = one
	}
	return out, nil
}

// list returns the files with paths as they are on the disk.
func (d *details) list(rpc int) []downloader.File {
	out := make([]downloader.File, len(d.Files))
	for i, f := range d.Files {
		out[i] = downloader.File{
			Index: i, Path: filePath(f.Name, rpc), Size: int64(f.Length), DoneBytes: int64(f.Completed),
			Skipped: i < len(d.Wanted) && !bool(d.Wanted[i]),
		}
	}
	return out
}

// choose makes files wanted, and no others; none means all.
func (d *details) choose(files []int) {
	for i := range d.files {
		d.files[i].Skipped = len(files) > 0 && !slices.Contains(files, i)
	}
}

// isChosen reports whether these files are wanted, and no others.
func (d *details) isChosen(files []int) bool {
	var wanted []int
	for _, f := range d.files {
		if !f.Skipped {
			wanted = append(wanted, f.Index)
		}
	}
	return len(files) > 0 && slices.Equal(wanted, files)
}

func wantedBytes(files []downloader.File) int64 {
	var total int64
	for _, f := range files {
		if !f.Skipped {
			total += f.Size
		}
	}
	return total
}

// filePath makes a path relative to the download folder, below which even a
// name that begins with a slash is.
func filePath(name string, rpc int) string {
	name = path.Clean(strings.TrimLeft(name, "/"))
	if rpc <= damagedRPC {
		name = repairName(name)
	}
	return name
}

func checkFiles(files []downloader.File) error {
	for _, f := range files {
		if !filepath.IsLocal(filepath.FromSlash(f.Path)) {
			return errUnsafeFile()
		}
	}
	return nil
}
