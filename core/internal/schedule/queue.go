package schedule

import (
	"container/heap"

	"github.com/haul-dl/haul/core"
)

// Queue holds the tasks that wait for a place, oldest first. It groups them by
// what they want, so that a thousand tasks that cannot start cost no more to
// look at than one, and none of them blocks the others. It is not safe for
// concurrent use.
type Queue struct {
	classes map[Want]*idHeap
	size    int
}

// NewQueue returns an empty queue.
func NewQueue() *Queue { return &Queue{classes: map[Want]*idHeap{}} }

// Push adds a task.
func (q *Queue) Push(w Want, id core.TaskID) {
	h := q.classes[w]
	if h == nil {
		h = &idHeap{}
		q.classes[w] = h
	}
	heap.Push(h, id)
	q.size++
}

// Len returns the number of tasks.
func (q *Queue) Len() int { return q.size }

// Assignment gives a task a place.
type Assignment struct {
	Task       core.TaskID
	Want       Want
	Node       core.NodeID
	Downloader core.DownloaderID
}

// Assign takes up to limit tasks that can start now off the queue, oldest
// first, and counts them into the candidates' Active.
func (q *Queue) Assign(candidates []Candidate, limit int) []Assignment {
	var out []Assignment
	blocked := map[Want]bool{}
	for len(out) < limit {
		w, h := q.oldest(blocked)
		if h == nil {
			return out
		}
		i, _ := Place(w, candidates)
		if i < 0 {
			blocked[w] = true
			continue
		}
		candidates[i].Active++
		out = append(out, Assignment{Task: q.pop(w, h), Want: w, Node: candidates[i].Node, Downloader: candidates[i].ID})
	}
	return out
}

// oldest returns the class with the oldest task among those not blocked.
func (q *Queue) oldest(blocked map[Want]bool) (Want, *idHeap) {
	var want Want
	var found *idHeap
	for w, h := range q.classes {
		if !blocked[w] && (found == nil || (*h)[0] < (*found)[0]) {
			want, found = w, h
		}
	}
	return want, found
}

func (q *Queue) pop(w Want, h *idHeap) core.TaskID {
	id, _ := heap.Pop(h).(core.TaskID)
	if h.Len() == 0 {
		delete(q.classes, w)
	}
	q.size--
	return id
}

// idHeap is a heap of ids with the oldest on top: ids sort by time.
type idHeap []core.TaskID

func (h idHeap) Len() int           { return len(h) }
func (h idHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h idHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }

// Push is for package heap.
func (h *idHeap) Push(x any) {
	if id, ok := x.(core.TaskID); ok {
		*h = append(*h, id)
	}
}

// Pop is for package heap.
func (h *idHeap) Pop() any {
	old := *h
	id := old[len(old)-1]
	*h = old[:len(old)-1]
	return id
}
