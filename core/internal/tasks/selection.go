package tasks

import (
	"fmt"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

// maxSelection is how many files one selection may name.
const maxSelection = 100_000

// cleanSelection returns the indexes in order; nil, which wants all, without any.
func cleanSelection(files []int) ([]int, error) {
	if len(files) == 0 {
		return nil, nil
	}
	if len(files) > maxSelection {
		return nil, wrongSelection("files", fmt.Sprintf("has more than %d indexes", maxSelection))
	}
	seen := make(map[int]bool, len(files))
	for i, index := range files {
		switch {
		case index < 0:
			return nil, wrongSelection(fmt.Sprintf("files[%d]", i), "must be at least 0")
		case seen[index]:
			return nil, wrongSelection(fmt.Sprintf("files[%d]", i), fmt.Sprintf("names file %d again", index))
		}
		seen[index] = true
	}
	sorted := slices.Clone(files)
	slices.Sort(sorted)
	return sorted, nil
}

func wrongSelection(field, why string) error {
	return errs.New(errs.InvalidRequest, "The selection of files is not valid.").WithField(field, why).
		WithHint("Files are counted from 0 in the order of the source; leave the selection out to load all.")
}

// choose makes some files of a task wanted. The torrent is nil where its files
// are not known yet.
func choose(t *core.Task, files []int, torrent *source.Torrent) error {
	switch t.Source.Kind {
	case downloader.SourceHTTP, downloader.SourceFTP:
		if len(files) > 0 && !slices.Equal(files, []int{0}) {
			return wrongSelection("files", "names a file beyond the only one, which is 0")
		}
		t.Selection = nil
		return nil
	}
	if torrent == nil {
		t.Selection = files
		return nil
	}
	return chooseIn(t, files, torrent)
}

// chooseIn makes some files of a known torrent wanted. All of them are the same
// as no selection, which every downloader can load.
func chooseIn(t *core.Task, files []int, torrent *source.Torrent) error {
	if n := len(torrent.Files); len(files) > 0 && files[len(files)-1] >= n {
		return wrongSelection("files", fmt.Sprintf("names file %d; the torrent has %d", files[len(files)-1], n))
	}
	t.Selection, t.TotalBytes = nil, torrent.TotalBytes
	if len(files) == 0 {
		return nil
	}
	var wanted int64
	left := false
	for i, f := range torrent.Files {
		if _, chosen := slices.BinarySearch(files, i); chosen {
			wanted += f.Size
		} else if !f.Padding {
			left = true
		}
	}
	if left {
		t.Selection, t.TotalBytes = files, wanted
	}
	return nil
}
