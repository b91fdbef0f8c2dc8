package rest

import (
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
	http.ServeContent(w, r, "", file.ModTime, file)
}

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
