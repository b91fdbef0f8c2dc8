package rest

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"sync"

	"github.com/haul-dl/haul/api/internal/contract"
	"github.com/haul-dl/haul/sdk/errs"
)

const (
	// jsonLimit is how many bytes a JSON body may have.
	jsonLimit = 1 << 20
	// uploadTorrents is how many times the torrent limit an upload may have.
	uploadTorrents = 4
	// keptBuffer is how large a buffer may be to be used again.
	keptBuffer = 64 << 10
)

// bodies lends buffers for JSON bodies.
var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// readBody holds the body against the API description. Afterwards r.Body gives
// it again, until release is called.
func (s *server) readBody(w http.ResponseWriter, r *http.Request, op *contract.Operation) (release func(), err error) {
	if len(op.Bodies) == 0 || op.BodyOptional && hasNoBody(r) {
		return func() {}, nil
	}
	media, err := mediaType(r, op)
	if err != nil {
		return nil, err
	}
	// The generated layer compares letter by letter.
	if media == contract.Multipart {
		r.Body = http.MaxBytesReader(w, r.Body, uploadTorrents*s.TorrentLimit+jsonLimit)
		return func() {}, nil
	}
	r.Header["Content-Type"] = jsonType
	return readJSON(w, r, op.Bodies[media])
}

// hasNoBody reports whether a request comes without a body. Where that is not
// known before it is read, r.Body gives what was read again.
func hasNoBody(r *http.Request) bool {
	if r.ContentLength >= 0 {
		return r.ContentLength == 0
	}
	first := make([]byte, 1)
	n, err := io.ReadFull(r.Body, first)
	if errors.Is(err, io.EOF) {
		return true
	}
	r.Body = readCloser{io.MultiReader(bytes.NewReader(first[:n]), r.Body), r.Body}
	return false
}

// readCloser reads from one and closes the other.
type readCloser struct {
	io.Reader
	io.Closer
}

var jsonType = []string{contract.JSON}

func readJSON(w http.ResponseWriter, r *http.Request, schema *contract.Schema) (func(), error) {
	buf, ok := bodies.Get().(*bytes.Buffer)
	if !ok {
		buf = new(bytes.Buffer)
	}
	buf.Reset()
	release := func() {
		if buf.Cap() <= keptBuffer {
			bodies.Put(buf)
		}
	}
	if _, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, jsonLimit)); err != nil {
		release()
		return nil, bodyError(err)
	}
	if err := schema.CheckJSON(buf.Bytes()); err != nil {
		release()
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(buf.Bytes()))
	return release, nil
}

// bodyError says why a body could not be read.
func bodyError(err error) error {
	if limit, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return errs.Wrap(err, errs.BodyTooLarge, "The body has more than %d bytes.", limit.Limit)
	}
	return errs.Wrap(err, errs.InvalidRequest, "The body ended early.").WithHint("Send the request again.")
}

// mediaType returns which of the operation's media types the body has.
func mediaType(r *http.Request, op *contract.Operation) (string, error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return "", errs.New(errs.UnsupportedMedia, "The body is compressed.").WithHint("Send it as it is, without Content-Encoding.")
	}
	header := r.Header.Get("Content-Type")
	media, params := header, map[string]string(nil)
	if header != contract.JSON {
		var err error
		if media, params, err = mime.ParseMediaType(header); err != nil {
			return "", errs.Wrap(err, errs.UnsupportedMedia, "The Content-Type is missing or not well-formed.")
		}
	}
	if _, ok := op.Bodies[media]; !ok {
		return "", errs.New(errs.UnsupportedMedia, "The body is of another media type than this path takes.")
	}
	if charset := params["charset"]; charset != "" && !strings.EqualFold(charset, "utf-8") {
		return "", errs.New(errs.UnsupportedMedia, "The body's character set is not UTF-8.")
	}
	if media == contract.Multipart && params["boundary"] == "" {
		return "", errs.New(errs.InvalidRequest, "The Content-Type has no boundary.")
	}
	return media, nil
}
