package rest

import (
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/haul-dl/haul/sdk/errs"
)

// getTaskFileContent hands out a delivered file, or the ranges asked for.
func (s *server) getTaskFileContent(w http.ResponseWriter, r *http.Request) {
	vars := mux.Vars(r)
	id, err := taskID(vars["id"])
	if err != nil {
		s.fail(w, r, err)
		return
	}
	index, err := strconv.ParseInt(vars["index"], 10, 32)
	if err != nil || index < 0 {
		s.fail(w, r, errs.Wrap(err, errs.InvalidParameter, "The index is not a whole number from 0.").WithField("index", "must be a whole number from 0"))
		return
	}
	file, err := s.Tasks.OpenFile(r.Context(), id, int(index))
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer func() {
		if err := file.Close(); err != nil {
			s.log.Warn("close a delivered file", "task", id, "err", err)
		}
	}()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", attachment(file.Name))
	h.Set("Content-Security-Policy", "sandbox")
	http.ServeContent(&contentWriter{ResponseWriter: w}, r, "", file.ModTime, file)
}

// contentWriter makes a problem of the plain text with which net/http refuses
// a range.
type contentWriter struct {
	http.ResponseWriter
	refused bool
}

// WriteHeader begins the answer.
func (w *contentWriter) WriteHeader(status int) {
	if status != http.StatusRequestedRangeNotSatisfiable {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	w.refused = true
	err := errs.New(errs.InvalidParameter, "The file has no such part.").
		WithField("Range", "lies outside of the file, or is not valid").
		WithHint("Content-Range says how long the file is, where the range is valid as such.")
	writeProblem(w.ResponseWriter, problemOf(err, status))
}

// Write drops what comes after a refusal.
func (w *contentWriter) Write(b []byte) (int, error) {
	if w.refused {
		return len(b), nil
	}
	return w.ResponseWriter.Write(b)
}

// ReadFrom lets the system copy the file by itself.
func (w *contentWriter) ReadFrom(r io.Reader) (int64, error) { return io.Copy(w.ResponseWriter, r) }

// attachment makes a browser save the file and not show it: it may be a page
// with scripts of its own.
func attachment(name string) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' || r == '\\' {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(name, "_"))
	if v := mime.FormatMediaType("attachment", map[string]string{"filename": name}); v != "" && name != "" {
		return v
	}
	return "attachment"
}
