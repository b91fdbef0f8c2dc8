package tasks

import (
	"fmt"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/source"
)

func wrongSelection(why string) error {
	return errs.New(errs.InvalidRequest, "The selection of files is not valid.").WithField("files", why).
		WithHint("Files are counted from 0 in the order of the source; leave the selection out to load all.")
}

// choose makes some files of a task wanted. An empty list is not known yet.
func choose(t *core.Task, want core.Selection, files []downloader.File) error {
	switch t.Source.Kind {
	case downloader.SourceHTTP, downloader.SourceFTP:
		return chooseOnly(t, want)
	}
	if len(files) == 0 {
		t.Selection = want
		return nil
	}
	return chooseIn(t, want, files)
}

// chooseOnly checks a selection against the one file of a web address, whose
// size is not known.
func chooseOnly(t *core.Task, want core.Selection) error {
	if n := len(want.Indexes); n > 0 && want.Indexes[n-1] > 0 {
		return wrongSelection("names a file beyond the only one, which is 0")
	}
	want.MinSize, want.MaxSize = 0, 0
	if !want.Wants(downloader.File{Path: t.Name}) {
		return nothingSelected()
	}
	t.Selection = core.Selection{}
	return nil
}

// chooseIn makes some of the known files wanted. All of them are the same as no
// selection, which every downloader can load.
func chooseIn(t *core.Task, want core.Selection, files []downloader.File) error {
	if n := len(want.Indexes); n > 0 && want.Indexes[n-1] > files[len(files)-1].Index {
		return wrongSelection(fmt.Sprintf("names file %d; the torrent has %d", want.Indexes[n-1], files[len(files)-1].Index+1))
	}
	chosen := want.Choose(files)
	if len(chosen) == 0 {
		return nothingSelected()
	}
	t.Selection, t.TotalBytes = want, 0
	for _, f := range files {
		if _, ok := slices.BinarySearch(chosen, f.Index); ok {
			t.TotalBytes += f.Size
		}
	}
	if len(chosen) == len(files) {
		t.Selection = core.Selection{}
	}
	return nil
}

func nothingSelected() error {
	return errs.New(errs.NoFilesSelected, "The selection matches no file.").WithField("files", "matches no file")
}

// torrentFiles lists the files of a torrent but its padding.
func torrentFiles(t *source.Torrent) []downloader.File {
	out := make([]downloader.File, 0, len(t.Files))
	for i, f := range t.Files {
		if !f.Padding {
			out = append(out, downloader.File{Index: i, Path: f.Path, Size: f.Size})
		}
	}
	return out
}

// metalinkFiles lists the files of a metalink.
func metalinkFiles(m *source.Metalink) []downloader.File {
	out := make([]downloader.File, 0, len(m.Files))
	for i, f := range m.Files {
		out = append(out, downloader.File{Index: i, Path: f.Name, Size: f.Size})
	}
	return out
}
