package fakedaemon

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
)

// routes is the whole API.
//
//	GET    /api/version                  {"daemon","version"}; needs no token
//	PUT    /api/settings                 {"max_running"}
//	GET    /api/downloads[?tag=TAG]      {"downloads":[Download]}
//	POST   /api/downloads                Download; "state":"stopped" does not start it
//	POST   /api/downloads/ID/stop|start
//	PATCH  /api/downloads/ID             {"limit"} in bytes per second, {"dir"} moves it
//	DELETE /api/downloads/ID[?files=true]
//
// An error is {"error":CODE,"text":TEXT}.
func (d *Daemon) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/version", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"daemon": "fetchd", "version": Version})
	})
	mux.HandleFunc("PUT /api/settings", d.guard(d.putSettings))
	mux.HandleFunc("GET /api/downloads", d.guard(d.getDownloads))
	mux.HandleFunc("POST /api/downloads", d.guard(d.postDownloads))
	mux.HandleFunc("POST /api/downloads/{id}/stop", d.guard(d.forOne(func(id int, _ *http.Request) error { return d.stop(id) })))
	mux.HandleFunc("POST /api/downloads/{id}/start", d.guard(d.forOne(func(id int, _ *http.Request) error { return d.start(id) })))
	mux.HandleFunc("PATCH /api/downloads/{id}", d.guard(d.forOne(d.patch)))
	mux.HandleFunc("DELETE /api/downloads/{id}", d.guard(d.forOne(func(id int, r *http.Request) error {
		return d.remove(id, r.URL.Query().Get("files") == "true")
	})))
	return mux
}

func (d *Daemon) guard(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+d.options.Token)) != 1 {
			answer(w, http.StatusUnauthorized, map[string]string{"error": "unauthorized", "text": "the token is wrong"})
			return
		}
		next(w, r)
	}
}

func (d *Daemon) putSettings(w http.ResponseWriter, r *http.Request) {
	var in struct {
		MaxRunning int `json:"max_running"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || in.MaxRunning < 1 {
		refuse(w, errors.New("the settings are not valid"))
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.saved.MaxRunning = in.MaxRunning
	d.startQueued()
	if err := d.save(); err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusOK, struct{}{})
}

func (d *Daemon) getDownloads(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]any{"downloads": d.list(r.URL.Query().Get("tag"))})
}

func (d *Daemon) postDownloads(w http.ResponseWriter, r *http.Request) {
	var in Download
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&in); err != nil {
		refuse(w, err)
		return
	}
	dl, err := d.add(Download{
		Tag: in.Tag, URL: in.URL, Dir: in.Dir, Name: in.Name,
		UserAgent: in.UserAgent, Limit: in.Limit, State: in.State,
	})
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, http.StatusCreated, dl)
}

func (d *Daemon) patch(id int, r *http.Request) error {
	var in struct {
		Limit *int64  `json:"limit"`
		Dir   *string `json:"dir"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		return err
	}
	if in.Limit != nil {
		if err := d.setLimit(id, *in.Limit); err != nil {
			return err
		}
	}
	if in.Dir != nil {
		return d.move(id, *in.Dir)
	}
	return nil
}

func (d *Daemon) forOne(do func(id int, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err != nil {
			refuse(w, errUnknown)
			return
		}
		if err := do(id, r); err != nil {
			refuse(w, err)
			return
		}
		answer(w, http.StatusOK, struct{}{})
	}
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, err error) {
	status, code := http.StatusInternalServerError, "internal"
	switch {
	case errors.Is(err, errUnknown):
		status, code = http.StatusNotFound, "unknown_download"
	case errors.Is(err, errBadURL):
		status, code = http.StatusBadRequest, "bad_url"
	case errors.Is(err, errBadPath):
		status, code = http.StatusBadRequest, "bad_path"
	}
	answer(w, status, map[string]string{"error": code, "text": err.Error()})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Server", "fetchd/"+Version)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // whoever asked may be gone
}
