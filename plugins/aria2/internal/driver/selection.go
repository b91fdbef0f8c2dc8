package driver

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/haul-dl/haul/plugins/aria2/internal/aria2rpc"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// errEnded says that aria2 has ended a download that shall go on.
var errEnded = errors.New("the download has ended")

// SelectFiles implements downloader.FileSelector. aria2 takes an index that the
// torrent does not have, and calls the download complete with nothing loaded;
// so indexes are checked here. What is complete never goes on in aria2: it is
// forgotten, and the host adds it again.
func (d *Driver) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	h := handleOf(ref)
	wanted := slices.Sorted(slices.Values(files))
	err := d.settle(ctx, ref, d.detailed, func(t target) ([]aria2rpc.Call, error) {
		if h.Parts > 0 {
			return nil, checkAll(wanted, h.Parts)
		}
		if t.InfoHash == "" {
			return nil, checkOnlyFile(wanted)
		}
		if !t.hasMetadata() {
			return nil, errs.New(errs.MetadataMissing, "The torrent's list of files is not known yet.")
		}
		if err := checkIndexes(wanted, len(t.Files)); err != nil {
			return nil, err
		}
		if slices.Equal(wanted, t.selected()) {
			return nil, nil
		}
		switch {
		case t.Status == "complete" && !hasMore(wanted, t.selected()):
			return nil, nil
		case t.Status == "complete":
			return nil, errEnded
		case t.stopped():
			return nil, errs.New(errs.WrongState, "The download has failed; its files cannot be chosen any more.")
		}
		change := options{"select-file": selection(wanted)}
		return []aria2rpc.Call{aria2rpc.NewCall("aria2.changeOption", t.GID, change)}, nil
	})
	d.jobs.changed(ref)
	if !errors.Is(err, errEnded) {
		return err
	}
	if err := d.Remove(ctx, ref, false); err != nil {
		return err
	}
	return errs.New(errs.JobNotFound, "aria2 has ended the download.")
}

// hasMore reports whether a file is wanted that was not; before is ascending.
func hasMore(wanted, before []int) bool {
	return slices.ContainsFunc(wanted, func(i int) bool {
		_, was := slices.BinarySearch(before, i)
		return !was
	})
}

// selected returns the indexes of the wanted files, ascending.
func (t *task) selected() []int {
	var out []int
	for i, f := range t.Files {
		if f.Selected == "true" {
			out = append(out, i)
		}
	}
	return out
}

// selection writes indexes as aria2 does: from 1, with ranges.
func selection(files []int) string {
	var out []string
	for i := 0; i < len(files); {
		k := i
		for k+1 < len(files) && files[k+1] == files[k]+1 {
			k++
		}
		text := strconv.Itoa(files[i] + 1)
		if k > i {
			text += "-" + strconv.Itoa(files[k]+1)
		}
		out = append(out, text)
		i = k + 1
	}
	return strings.Join(out, ",")
}

// lastSelected is the highest number in aria2's select-file, 0 where it has none.
func lastSelected(text string) int {
	last := 0
	for _, f := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '-' }) {
		if n, err := strconv.Atoi(f); err == nil {
			last = max(last, n)
		}
	}
	return last
}

func checkIndexes(files []int, count int) error {
	for _, f := range files {
		if f < 0 || f >= count {
			return errNoFile(f, count)
		}
	}
	return nil
}

func errNoFile(index, count int) error {
	return errs.New(errs.InvalidRequest, "The torrent has no file %d; it has %d, counted from 0.", index, count).
		WithField("files", "must be indexes of the torrent's files").
		WithHint("Look at the task's files first.")
}

// checkOnlyFile is for a download that has one file.
func checkOnlyFile(files []int) error {
	if len(files) == 0 || len(files) == 1 && files[0] == 0 {
		return nil
	}
	return errs.New(errs.InvalidRequest, "The download has one file alone, whose index is 0.").
		WithField("files", "must be 0")
}

// checkAll is for a metalink, of which all files are loaded.
func checkAll(files []int, count int) error {
	if len(files) == 0 || len(files) == count {
		return checkIndexes(files, count)
	}
	return errs.New(errs.InvalidRequest, "The files of a metalink are loaded all together.").
		WithField("files", "must be left out, or name all files").
		WithHint("Add the addresses of the single files instead.")
}
