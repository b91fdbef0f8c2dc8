package tasks

import (
	"container/heap"
	"time"

	"github.com/haul-dl/haul/core"
)

// later holds tasks that are due at a time. It is not safe for concurrent use.
type later struct {
	heap  laterHeap
	tasks map[core.TaskID]*due
}

func newLater() *later { return &later{tasks: map[core.TaskID]*due{}} }

// due is one task with its time.
type due struct {
	id    core.TaskID
	at    time.Time
	index int
}

// put notes a task for a time, instead of an earlier one.
func (l *later) put(id core.TaskID, at time.Time) {
	l.remove(id)
	d := &due{id: id, at: at}
	l.tasks[id] = d
	heap.Push(&l.heap, d)
}

// remove takes a task out, if it is there.
func (l *later) remove(id core.TaskID) {
	if d := l.tasks[id]; d != nil {
		heap.Remove(&l.heap, d.index)
		delete(l.tasks, id)
	}
}

// take returns the tasks that are due by now, and takes them out.
func (l *later) take(now time.Time) []core.TaskID {
	var out []core.TaskID
	for len(l.heap) > 0 && !l.heap[0].at.After(now) {
		out = append(out, l.heap[0].id)
		l.remove(l.heap[0].id)
	}
	return out
}

// next returns when the first one is due, and whether there is any.
func (l *later) next() (time.Time, bool) {
	if len(l.heap) == 0 {
		return time.Time{}, false
	}
	return l.heap[0].at, true
}

type laterHeap []*due

func (h laterHeap) Len() int           { return len(h) }
func (h laterHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }

func (h laterHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

// Push is for package heap.
func (h *laterHeap) Push(x any) {
	if d, ok := x.(*due); ok {
		d.index = len(*h)
		*h = append(*h, d)
	}
}

// Pop is for package heap.
func (h *laterHeap) Pop() any {
	old := *h
	d := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return d
}
