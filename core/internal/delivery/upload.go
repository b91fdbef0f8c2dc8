package delivery

import (
	"context"
	"io/fs"
	"os"

	"github.com/haul-dl/haul/sdk/downloader"
)

// Upload is one file that goes to a storage which is no local folder.
type Upload struct {
	Index int `json:"i"`
	// Name is the path in the job's directory, As the one at the destination;
	// both have slashes.
	Name string `json:"name"`
	As   string `json:"as"`
	Size int64  `json:"size"`
	// Done reports that the storage has it whole, or that it was Skipped.
	Done    bool `json:"done,omitempty"`
	Skipped bool `json:"skipped,omitempty"`
	// Hash is the storage's own of what was put, such as "md5:…".
	Hash string `json:"hash,omitempty"`
	// Mended counts the steps by which As was made a name that the storage takes.
	Mended int `json:"mended,omitempty"`
	// Lost counts how often the storage took the file and then did not have it.
	Lost int `json:"lost,omitempty"`
	// Taken and Refused say why As has to be replaced by Replan: somebody has the
	// name, or the storage does not take it.
	Taken   bool `json:"taken,omitempty"`
	Refused bool `json:"refused,omitempty"`
}

// Inspect checks that all files are there, whole and nothing but files, and
// returns the top-level entries that hold them. It makes listed files of no
// bytes that are not there. Its errors have a code.
func Inspect(ctx context.Context, source *os.Root, files []downloader.File) ([]Entry, error) {
	entries, err := inspect(ctx, source, files)
	return entries, sourceError(err)
}

// OpenSame opens a file that was looked at before, and nothing that has taken
// its name since: errs.UnsafeFile.
func OpenSame(root *os.Root, name string, info fs.FileInfo) (*os.File, error) {
	f, err := openSame(root, name, info)
	return f, sourceError(err)
}

// SourceError gives trouble with the downloaded data its code.
func SourceError(err error) error { return sourceError(err) }

// FreeName returns name, or "name (1).ext" and so on, whichever is not taken.
func FreeName(name string, dir bool, taken func(string) (bool, error)) (string, error) {
	return freeName(visible(name), dir, maxName, taken)
}

// PossibleName returns a name that also the strict destinations take, and that
// has at most limit bytes.
func PossibleName(name string, dir bool, limit int) string {
	possible, _ := Traits{Strict: true, MaxName: limit}.mend(name, dir)
	return possible
}
