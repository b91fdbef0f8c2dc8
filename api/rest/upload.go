package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/api/internal/contract"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// The parts of an upload.
const (
	partRequest = "request"
	partTorrent = "torrent"
)

// maxTorrents is how many files one upload may have.
const maxTorrents = 100

// upload is what was read of a multipart body so far.
type upload struct {
	limit int64
	// schema is that of the part named request; nil where there shall be none.
	schema   *contract.Schema
	request  *apigen.CreateTasksRequest
	torrents []core.NewSource
}

// readUpload reads a multipart body; its files become the last sources.
func (s *server) readUpload(body *multipart.Reader) (*core.NewTask, error) {
	u := upload{limit: s.TorrentLimit, schema: s.uploadRequest}
	if err := u.readAll(body); err != nil {
		return nil, err
	}
	return u.newTask()
}

// readTorrentUpload reads a multipart body with one file.
func (s *server) readTorrentUpload(body *multipart.Reader) (*core.NewSource, error) {
	u := upload{limit: s.TorrentLimit}
	if err := u.readAll(body); err != nil {
		return nil, err
	}
	if len(u.torrents) != 1 {
		return nil, errs.New(errs.InvalidRequest, "The body has not one file, but %d.", len(u.torrents)).
			WithField(partTorrent, "must be one file")
	}
	return &u.torrents[0], nil
}

func (u *upload) readAll(body *multipart.Reader) error {
	for n := 0; ; n++ {
		part, err := body.NextPart()
		if errors.Is(err, io.EOF) && n > 0 {
			return nil
		}
		if err != nil {
			return partError(err)
		}
		if err := u.read(part); err != nil {
			return err
		}
	}
}

func (u *upload) newTask() (*core.NewTask, error) {
	req := &core.NewTask{}
	if u.request != nil {
		var err error
		if req, err = newTaskOf(u.request); err != nil {
			return nil, err
		}
	}
	req.Sources = append(req.Sources, u.torrents...)
	return req, nil
}

func (u *upload) read(part *multipart.Part) error {
	name, known := part.FormName(), `"torrent"`
	switch {
	case name == partTorrent:
		return u.readTorrent(part)
	case name == partRequest && u.schema != nil:
		return u.readRequest(part)
	case u.schema != nil:
		known += ` and "request"`
	}
	return errs.New(errs.UnknownField, "The body has a part that does not exist.").
		WithField(fmt.Sprintf("%.64s", name), "does not exist; there is "+known)
}

func (u *upload) readRequest(part *multipart.Part) error {
	if u.request != nil {
		return errs.New(errs.InvalidRequest, "The body has two parts named request.").WithField(partRequest, "is given twice")
	}
	text, err := readPart(part, jsonLimit)
	if err != nil {
		return err
	}
	if len(text) > jsonLimit {
		return errs.New(errs.BodyTooLarge, "The request has more than %d bytes.", jsonLimit).WithField(partRequest, "is too large")
	}
	if err := u.schema.CheckJSON(text); err != nil {
		return err
	}
	u.request = new(apigen.CreateTasksRequest)
	if err := json.Unmarshal(text, u.request); err != nil {
		return errs.Wrap(err, errs.InvalidJSON, "%s", errs.InvalidJSON.Title())
	}
	return nil
}

func (u *upload) readTorrent(part *multipart.Part) error {
	field := fmt.Sprintf("%s[%d]", partTorrent, len(u.torrents))
	if len(u.torrents) == maxTorrents {
		return errs.New(errs.InvalidRequest, "There are more than %d files.", maxTorrents).WithField(partTorrent, "is given too often")
	}
	content, err := readPart(part, u.limit)
	if err != nil {
		return err
	}
	if int64(len(content)) > u.limit {
		return errs.New(errs.TorrentTooLarge, "The file has more than %d bytes.", u.limit).WithField(field, "is too large")
	}
	u.torrents = append(u.torrents, core.NewSource{
		URI: part.FileName(), Kind: downloader.SourceTorrent, Content: content, Field: field,
	})
	return nil
}

// readPart reads up to one byte more than the limit. It never returns nil
// without an error: an empty file is a file.
func readPart(part io.Reader, limit int64) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(part, limit+1))
	if err != nil {
		return nil, partError(err)
	}
	return content, nil
}

func partError(err error) error {
	if e := bodyError(err); errs.Is(e, errs.BodyTooLarge) {
		return e
	}
	return errs.Wrap(err, errs.InvalidRequest, "The multipart body is not well-formed or ended early.").
		WithHint("Send the files in parts named torrent, with a boundary that ends the body.")
}
