package crash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	// settleTimeout is how long everything may take to end after the last crash.
	settleTimeout = 90 * time.Second
	// cleanTimeout is how long it may take until nothing is left of it.
	cleanTimeout = 20 * time.Second
)

// settle lets everything come to its end, and compares that with what was
// promised. Then the tasks are deleted with their data.
func (w *world) settle() {
	w.t.Helper()
	w.startDaemons()
	if !w.server.alive() {
		w.server.start("")
	}
	begun := time.Now()
	for until := begun.Add(settleTimeout); !w.settled() && time.Now().Before(until); time.Sleep(tick) {
		w.next()
	}
	w.report.settledIn(time.Since(begun))
	if !w.poll() {
		w.violate("the server does not answer")
		return
	}
	w.checkAllThere()
	for _, e := range w.errands {
		w.checkErrand(e)
	}
	w.checkNothingLeft()
	for _, e := range w.errands {
		w.checkNotAgain(e)
	}
	w.cleanUp()
	w.errands = nil
}

// checkAllThere looks for tasks that are lost, and for some that nobody asked for.
func (w *world) checkAllThere() {
	for user, c := range w.users {
		seen, err := c.tasks()
		if err != nil {
			w.violate("list tasks: %v", err)
			return
		}
		for _, e := range w.errands {
			if e.user != user || e.task == "" {
				continue
			}
			t, found := seen[e.task]
			if !found && !e.gone() {
				w.violate("task %s was accepted and is lost", e.task)
			}
			if found && e.gone() {
				w.violate("a deleted task is there again: %v", &t)
			}
			delete(seen, e.task)
		}
		for _, t := range seen {
			if !w.othersTask(user, t.ID) {
				w.violate("nobody asked for it: %v", &t)
			}
		}
	}
}

// othersTask reports whether an administrator sees what is another user's.
func (w *world) othersTask(user int, id string) bool {
	return slices.ContainsFunc(w.errands, func(e *errand) bool { return e.task == id && e.user != user })
}

// checkErrand looks at how one task has ended, and at its files.
func (w *world) checkErrand(e *errand) {
	if e.task == "" {
		w.violate("the request for %s was never answered", e.id)
		return
	}
	if e.last.Attempt > 1 {
		w.report.retried(e.last.Attempt - 1)
	}
	switch {
	case e.wishes["delete"]:
		w.waitFiles(e, nil)
	case e.wishes["keep"]:
		w.waitFiles(e, e.want, nil)
	case !e.over:
		w.violate("a task did not end: %v, steps left %v, done %v", &e.last, e.steps, e.wishes)
	case e.last.State == "completed":
		w.waitFiles(e, e.want)
		w.report.completed(e.size)
	case e.last.State == "canceled" && e.wishes["cancel"]:
		w.waitFiles(e, nil)
	default:
		w.violate("a task ended badly: %v", &e.last)
	}
	w.checkTraffic(e)
}

// waitFiles waits until the place of a task holds exactly one of the wanted
// sets of files, and the other one nothing.
func (w *world) waitFiles(e *errand, wanted ...map[string]string) {
	at, other := e.to, e.moved
	if e.last.Destination == other {
		at, other = other, at
	}
	for until := time.Now().Add(cleanTimeout); ; time.Sleep(tick) {
		found, err := filesBelow(w.folder(e.user, at))
		more, err2 := filesBelow(w.folder(e.user, other))
		if e.taken != "" && found[e.taken] == digest(takenContent) {
			delete(found, e.taken)
		}
		if err == nil && err2 == nil && len(more) == 0 && slices.ContainsFunc(wanted, func(m map[string]string) bool { return maps.Equal(m, found) }) {
			return
		}
		if time.Now().After(until) {
			w.violate("%v: %v holds %v, want one of %v; %v holds %v; %v, %v", &e.last, at, found, wanted, other, more, err, err2)
			return
		}
	}
}

// filesBelow returns the files of a folder with their SHA-256, also hidden ones.
func filesBelow(dir string) (map[string]string, error) {
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		out[filepath.ToSlash(name)], err = fileDigest(path)
		return err
	})
	if os.IsNotExist(err) && len(out) == 0 {
		return out, nil
	}
	return out, err
}

func fileDigest(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// blockSize is that of a request to a peer.
const blockSize = 16 << 10

// checkTraffic compares what was sent with what had to be: the file once, and
// at most once more for each death of a daemon meanwhile. The death of core or of
// a plugin is no reason to send anything again.
func (w *world) checkTraffic(e *errand) {
	lives := 1 + w.daemonKills - e.kills
	if e.torrent != "" {
		blocks := w.swarm.Counts(e.torrent).Blocks
		if most := (int(e.size)/blockSize + 8) * lives * e.jobs * 5 / 4; blocks > most {
			w.violate("%v: %d blocks of %s were sent, at most %d were needed", &e.last, blocks, e.torrent, most)
		}
		return
	}
	requests, sent := w.web.Requests(e.url), w.web.Sent(e.url)
	w.report.sent(sent)
	// Where aria2 goes on with a file it may ask twice: for what the file is, and
	// for the rest. A daemon that dies may have to be told of a pause once more.
	if most := 1 + 2*(lives-1+lives*e.pauses); requests > most {
		w.violate("%v: %d requests for %s, at most %d were needed", &e.last, requests, e.url, most)
	}
	if most := e.size*int64(lives) + int64(max(0, requests-1))*inFlight; sent > most {
		w.violate("%v: %d bytes of %s were sent in %d requests, at most %d were needed", &e.last, sent, e.url, requests, most)
	}
}

// inFlight is how much may be on its way when a client hangs up.
const inFlight = 1 << 20

// checkNotAgain looks whether what had ended was asked for again.
func (w *world) checkNotAgain(e *errand) {
	if e.torrent == "" && e.last.State == "completed" && w.asked(e) != e.asked {
		w.violate("%v: %s was asked for %d times, %d of them after its end", &e.last, e.url, w.asked(e), w.asked(e)-e.asked)
	}
}

// checkTwins looks for anything that a daemon has twice.
func (w *world) checkTwins() {
	for _, d := range w.daemons {
		if d.dead {
			continue
		}
		held, err := d.holds()
		if err != nil {
			w.violate("ask %s: %v", d.plugin, err)
			continue
		}
		slices.Sort(held)
		for i := 1; i < len(held); i++ {
			if held[i] == held[i-1] {
				w.violate("%s has %s twice", d.plugin, held[i])
			}
		}
	}
}

// checkNothingLeft waits until daemons and directories are empty.
func (w *world) checkNothingLeft() {
	var left []string
	for until := time.Now().Add(cleanTimeout); ; time.Sleep(tick) {
		if left = w.leftovers(); len(left) == 0 {
			return
		}
		if time.Now().After(until) {
			w.violate("left over: %v", left)
			return
		}
	}
}

// nodeMark is what a node leaves in a folder that is its own.
const nodeMark = ".haul-node"

func (w *world) leftovers() []string {
	var left []string
	for _, d := range w.daemons {
		held, err := d.holds()
		if err != nil {
			left = append(left, err.Error())
		}
		for _, id := range held {
			left = append(left, fmt.Sprintf("%s at %s", id, d.plugin))
		}
	}
	entries, err := os.ReadDir(w.server.jobs())
	if err != nil {
		left = append(left, err.Error())
	}
	for _, e := range entries {
		if e.Name() != nodeMark {
			left = append(left, "the directory "+e.Name())
		}
	}
	return left
}

// cleanUp deletes all tasks with their data, and looks whether that goes, and
// nothing else.
func (w *world) cleanUp() {
	for _, e := range w.errands {
		if e.task == "" || e.gone() {
			continue
		}
		a, err := w.users[e.user].send("DELETE", "/tasks/"+e.task+"?data=delete", nil, "")
		if err != nil || !a.ok() {
			w.violate("delete task %s: %v %v", e.task, a, err)
			continue
		}
		w.waitFiles(e, nil)
	}
	for _, e := range w.errands {
		_ = os.RemoveAll(w.folder(e.user, e.to)) // the disk shall not fill up
		_ = os.RemoveAll(w.folder(e.user, e.moved))
	}
}
