package crash

import (
	"fmt"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"time"
)

// errand is one task as its user means it: what shall be where in the end.
type errand struct {
	// key makes the request safe to repeat until it is answered.
	key  string
	user int
	// to is where the files shall go, moved where they are sent instead later on.
	to, moved place
	body      any
	// want are the files there in the end, with their SHA-256.
	want map[string]string
	// taken is the name of a file that was there before, and must stay.
	taken string
	// url is the path at the web server, torrent the name in the swarm, id what
	// the daemon calls it: the URL, or the info hash.
	url, torrent, id string
	size             int64
	// steps are what the user asks for later on.
	steps []step

	task   string // its id, once accepted
	last   task
	due    time.Time       // of the next step
	wishes map[string]bool // those that were granted
	tried  map[string]bool // those that may have been: nobody answered
	// pauses is how often somebody asked to stop it.
	pauses int
	// jobs is how many there may be of its torrent: who comes when another's
	// data is leaving gets a job of their own.
	jobs int
	// kills is how often daemons had been killed when it was made.
	kills int
	// asked is how often the source had been asked for when it was delivered.
	asked int
	over  bool
}

// step is a wish, and how long after the one before it comes.
type step struct {
	wish  string
	after time.Duration
}

// takenContent is that of the files which were there before.
const takenContent = "I was here first."

// newErrands makes up what users want next: one task, or two of the same torrent.
func (w *world) newErrands() []*errand {
	w.made++
	e := &errand{
		key:   fmt.Sprintf("%s-%d", w.name, w.made),
		kills: w.daemonKills, jobs: 1, wishes: map[string]bool{}, tried: map[string]bool{}, user: w.random.IntN(len(w.users)),
	}
	w.choosePlaces(e, fmt.Sprintf("%s-%05d", w.name, w.made))
	request := map[string]any{"destination": e.to}
	switch n := w.random.IntN(100); {
	case n < 60:
		w.wantURL(e, request)
	case n < 85:
		w.wantTorrent(e, request, fmt.Sprintf("parts-%04d", w.made))
	default:
		w.wantTorrent(e, request, fmt.Sprintf("many-%04d", w.made))
	}
	w.chooseSteps(e)
	if e.torrent != "" && len(w.users) > 1 && w.random.IntN(3) == 0 {
		return []*errand{e, w.sameForAnother(e)}
	}
	return []*errand{e}
}

func (w *world) choosePlaces(e *errand, path string) {
	e.to, e.moved = w.choosePlace(path), w.choosePlace(path+"-moved")
}

// wantURL asks for a file of the web server: small or not, fast or slow.
func (w *world) wantURL(e *errand, request map[string]any) {
	e.size = []int64{1, 70_000, 400_000, 1_500_000, 3_000_000}[w.random.IntN(5)]
	name := fmt.Sprintf("file-%05d.bin", w.made)
	e.url = fmt.Sprintf("/bytes/%d/%s", e.size, name)
	if w.random.IntN(3) > 0 {
		seconds := 0.1 + w.random.Float64()
		e.url = fmt.Sprintf("/paced/%d/%d/%s", int64(float64(e.size)/seconds)+1000, e.size, name)
	}
	e.id = w.web.URL + e.url
	shown := name
	if w.random.IntN(5) == 0 {
		e.taken = name
		shown = fmt.Sprintf("file-%05d (1).bin", w.made)
		w.put(filepath.Join(w.folder(e.user, e.to), name), takenContent)
	}
	e.want = map[string]string{shown: w.web.SHA256(e.url)}
	request["sources"] = []string{e.id}
	e.body = request
}

func (w *world) put(path, content string) {
	w.t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o640); err != nil {
		w.t.Fatal(err)
	}
}

// wantTorrent asks for a torrent in one of the ways that there are.
func (w *world) wantTorrent(e *errand, request map[string]any, name string) {
	t := w.swarm.Torrent(name)
	e.torrent, e.id, e.size = name, t.InfoHash, t.Total
	e.want = map[string]string{}
	var files []int
	if len(t.Files) > 1 && w.random.IntN(2) == 0 {
		files = []int{0, 2}
		request["files"] = files
	}
	for i, f := range t.Files {
		if files == nil || i == files[0] || i == files[1] {
			e.want[path.Join(t.Root, f.Path)] = f.SHA256
		}
	}
	if w.random.IntN(3) == 0 {
		request["seed"] = map[string]any{"time_seconds": 1 + w.random.IntN(3)}
	}
	e.body = request
	switch w.random.IntN(3) {
	case 0:
		e.body = form{name: name + ".torrent", torrent: t.Bytes, request: request}
	case 1:
		request["sources"] = []string{t.Magnet}
	default:
		request["sources"] = []string{w.swarm.URL + "/torrents/" + name + ".torrent"}
	}
}

// sameForAnother lets another user want the same torrent.
func (w *world) sameForAnother(e *errand) *errand {
	e.jobs = 2
	twin := *e
	twin.user = (e.user + 1) % len(w.users)
	twin.key = e.key + "-twin"
	w.choosePlaces(&twin, e.to.Path+"-twin")
	twin.wishes, twin.tried = map[string]bool{}, map[string]bool{}
	request := map[string]any{"destination": twin.to}
	w.wantTorrent(&twin, request, e.torrent)
	twin.steps = nil
	w.chooseSteps(&twin)
	return &twin
}

// chooseSteps makes up what the user does while the task runs.
func (w *world) chooseSteps(e *errand) {
	soon := func() time.Duration { return time.Duration(w.random.Int64N(int64(1500 * time.Millisecond))) }
	switch n := w.random.IntN(100); {
	case n < 10:
		e.steps = []step{{"cancel", soon()}}
	case n < 25:
		e.steps = []step{{"pause", soon()}, {"resume", soon()}}
	case n < 30:
		e.steps = []step{{"keep", soon()}}
	case n < 35:
		e.steps = []step{{"delete", soon()}}
	case n < 45 && e.taken == "":
		e.steps = []step{{"move", soon()}}
	}
}

// submit sends the request, and reports whether it was answered.
func (w *world) submit(e *errand) bool {
	a, err := w.users[e.user].send("POST", "/tasks", e.body, e.key)
	if err != nil {
		return false
	}
	if a.status != 201 {
		w.violate("a request was refused: %v", a)
		e.over = true
		return true
	}
	ids := taskIDs(a.body)
	if len(ids) != 1 {
		w.violate("one source became the tasks %v", ids)
		return true
	}
	e.task = ids[0]
	w.schedule(e)
	w.report.accepted()
	return true
}

func (w *world) schedule(e *errand) {
	if len(e.steps) > 0 {
		e.due = time.Now().Add(e.steps[0].after)
	}
}

// act asks for the next step, and reports whether it was answered.
func (w *world) act(e *errand) bool {
	s := e.steps[0]
	var body any
	method, path := "POST", "/tasks/"+e.task+"/"+s.wish
	switch s.wish {
	case "pause":
		e.pauses = 1
	case "keep", "delete":
		method, path = "DELETE", "/tasks/"+e.task+"?data="+s.wish
	case "move":
		method, path, body = "PATCH", "/tasks/"+e.task, map[string]any{"destination": e.moved}
	}
	a, err := w.users[e.user].send(method, path, body, "")
	if err != nil {
		e.tried[s.wish] = true
		return false
	}
	switch {
	case a.status == http.StatusServiceUnavailable: // the storage's plugin is starting, or the storage away
		e.tried[s.wish], e.due = true, time.Now().Add(pollEvery)
		return true
	case a.ok(), e.tried[s.wish] && (a.status == 404 || a.status == 409): // an earlier try did it
		e.wishes[s.wish] = true
	case a.status == 409: // too late
	default:
		w.violate("%s of task %s: %v", s.wish, e.task, a)
	}
	e.steps = e.steps[1:]
	w.schedule(e)
	return true
}

// gone reports whether the user has deleted the task.
func (e *errand) gone() bool { return e.wishes["keep"] || e.wishes["delete"] }
