package worker

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxFileList bounds the list of a job's files, in bytes of JSON. A record
// holds it up to four times: one that were too large for the store would keep
// all the others from being stored, too. It has room for 100,000 files with
// names as they are usual.
const maxFileList = store.MaxValueSize / 5

// perFile is what a file's entry in the list has beside its path, at most.
const perFile = 48

// checkFileList refuses a list that records cannot hold.
func checkFileList(files []downloader.File) error {
	size := 0
	for i := range files {
		size += len(files[i].Path)
	}
	if perFile*len(files)+6*size <= maxFileList { // JSON makes six bytes of one at most
		return nil
	}
	if size <= maxFileList {
		b, err := json.Marshal(fileList(files))
		if err != nil {
			return errs.Wrap(err, errs.UnsafeFile, "The download's list of files cannot be stored.")
		}
		size = len(b)
	}
	if size > maxFileList {
		return errs.New(errs.UnsafeFile, "The download has %d files, whose names together are too long.", len(files))
	}
	return nil
}

// fileList is a list of files that the journal keeps in few bytes: without what
// of them is loaded.
type fileList []downloader.File

// deliveredList is the same of files at their destination.
type deliveredList []core.DeliveredFile

// columns are a list of files as it is stored. Indexes are left out where they
// are those of the list; Skipped has places in the list.
type columns struct {
	Paths   []string `json:"p"`
	Sizes   []int64  `json:"s"`
	Indexes []int    `json:"i,omitempty"`
	Skipped []int    `json:"k,omitempty"`
}

func (c *columns) add(index int, path string, size int64, skipped bool) {
	at := len(c.Paths)
	if index != at && c.Indexes == nil {
		c.Indexes = make([]int, at)
		for i := range c.Indexes {
			c.Indexes[i] = i
		}
	}
	if c.Indexes != nil {
		c.Indexes = append(c.Indexes, index)
	}
	if skipped {
		c.Skipped = append(c.Skipped, at)
	}
	c.Paths, c.Sizes = append(c.Paths, path), append(c.Sizes, size)
}

func (c *columns) check() error {
	n := len(c.Paths)
	if len(c.Sizes) != n || c.Indexes != nil && len(c.Indexes) != n {
		return errors.New("the columns of a list of files differ in length")
	}
	for _, at := range c.Skipped {
		if at < 0 || at >= n {
			return errors.New("a list of files marks one that it does not have")
		}
	}
	return nil
}

func (c *columns) index(i int) int {
	if c.Indexes == nil {
		return i
	}
	return c.Indexes[i]
}

// MarshalJSON implements json.Marshaler.
func (l fileList) MarshalJSON() ([]byte, error) {
	var c columns
	for i := range l {
		c.add(l[i].Index, l[i].Path, l[i].Size, l[i].Skipped)
	}
	return json.Marshal(c)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *fileList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte{'['}) { // as it was stored before
		return json.Unmarshal(b, (*[]downloader.File)(l))
	}
	var c columns
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	out := make(fileList, len(c.Paths))
	for i := range out {
		out[i] = downloader.File{Index: c.index(i), Path: c.Paths[i], Size: c.Sizes[i]}
	}
	for _, at := range c.Skipped {
		out[at].Skipped = true
	}
	*l = out
	return nil
}

// MarshalJSON implements json.Marshaler.
func (l deliveredList) MarshalJSON() ([]byte, error) {
	var c columns
	for i := range l {
		c.add(l[i].Index, l[i].Path, l[i].Size, l[i].Skipped)
	}
	return json.Marshal(c)
}

// UnmarshalJSON implements json.Unmarshaler.
func (l *deliveredList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte{'['}) { // as it was stored before
		return json.Unmarshal(b, (*[]core.DeliveredFile)(l))
	}
	var c columns
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	if err := c.check(); err != nil {
		return err
	}
	out := make(deliveredList, len(c.Paths))
	for i := range out {
		out[i] = core.DeliveredFile{Index: c.index(i), Path: c.Paths[i], Size: c.Sizes[i]}
	}
	for _, at := range c.Skipped {
		out[at].Skipped = true
	}
	*l = out
	return nil
}
