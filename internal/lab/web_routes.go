package lab

import (
	"io"
	"net/http"
	"strconv"
	"strings"
)

// page is what a server of another kind answers.
const page = "<!doctype html><html><head><title>Some other server</title></head><body>Hello</body></html>\n"

func (w *Web) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/data/", w.file(servePlain))
	mux.HandleFunc("/bytes/", w.file(servePlain))
	mux.HandleFunc("/paced/", w.file(serveSlow))
	mux.HandleFunc("/slow/", w.file(serveSlow))
	mux.HandleFunc("/nolength/", w.file(serveNoLength))
	mux.HandleFunc("/cut/", w.file(serveCut))
	mux.HandleFunc("/gate/", w.serveGate)
	mux.HandleFunc("/named", serveNamed)
	mux.HandleFunc("/status/", serveStatus)
	mux.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/redirect", func(rw http.ResponseWriter, r *http.Request) {
		http.Redirect(rw, r, r.URL.Query().Get("to"), http.StatusFound)
	})
	mux.HandleFunc("/", servePage)
	return mux
}

// file finds the content of a path and serves it in one of the ways below.
func (w *Web) file(serve func(http.ResponseWriter, *http.Request, payload)) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		p, ok := w.content(r.URL.Path)
		if !ok {
			http.NotFound(rw, r)
			return
		}
		rw.Header().Set("Content-Type", "application/octet-stream")
		serve(rw, r, p)
	}
}

func servePlain(rw http.ResponseWriter, r *http.Request, p payload) {
	http.ServeContent(rw, r, "", modified, p.reader())
}

func serveSlow(rw http.ResponseWriter, r *http.Request, p payload) {
	rate, err := strconv.ParseInt(strings.Split(r.URL.Path, "/")[2], 10, 64)
	if err != nil || rate <= 0 {
		http.NotFound(rw, r)
		return
	}
	http.ServeContent(&flushing{rw}, r, "", modified, newPaced(r.Context(), p.reader(), rate))
}

func serveNoLength(rw http.ResponseWriter, _ *http.Request, p payload) {
	_, _ = io.Copy(&flushing{rw}, p.reader()) // a client that has left is its own business
}

func serveCut(rw http.ResponseWriter, _ *http.Request, p payload) {
	rw.Header().Set("Content-Length", strconv.FormatInt(p.size, 10))
	_, _ = io.CopyN(&flushing{rw}, p.reader(), p.size/2)
	panic(http.ErrAbortHandler)
}

func serveNamed(rw http.ResponseWriter, r *http.Request) {
	rw.Header().Set("Content-Type", "application/octet-stream")
	rw.Header().Set("Content-Disposition", `attachment; filename="`+r.URL.Query().Get("n")+`"`)
	servePlain(rw, r, newPayload("named", DataSize))
}

func serveStatus(rw http.ResponseWriter, r *http.Request) {
	status, err := strconv.Atoi(strings.Split(r.URL.Path, "/")[2])
	if err != nil || status < 200 || status > 599 {
		status = http.StatusNotFound
	}
	http.Error(rw, "as you wish", status)
}

func servePage(rw http.ResponseWriter, _ *http.Request) {
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(rw, page)
}

// flushing hands every write to the network at once, and hides that the writer
// below it could read for itself.
type flushing struct{ http.ResponseWriter }

func (f *flushing) Write(b []byte) (int, error) {
	n, err := f.ResponseWriter.Write(b)
	if err != nil {
		return n, err
	}
	return n, http.NewResponseController(f.ResponseWriter).Flush()
}
