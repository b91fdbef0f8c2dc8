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
	classes map[Want]*class
	tasks   map[core.TaskID]*entry
}

// NewQueue returns an empty queue.
func NewQueue() *Queue {
	return &Queue{classes: map[Want]*class{}, tasks: map[core.TaskID]*entry{}}
}

// Push adds a task. One that is there already, with another want, changes it
// and keeps its place.
func (q *Queue) Push(w Want, id core.TaskID) {
	if e := q.tasks[id]; e != nil {
		if e.want == w {
			return
		}
		q.Remove(id)
	}
	c := q.classes[w]
	if c == nil {
		c = &class{}
		q.classes[w] = c
	}
	e := &entry{id: id, want: w}
	q.tasks[id] = e
	heap.Push(c, e)
}

// Remove takes a task out, if it is there.
func (q *Queue) Remove(id core.TaskID) {
	e := q.tasks[id]
	if e == nil {
		return
	}
	delete(q.tasks, id)
	c := q.classes[e.want]
	heap.Remove(c, e.index)
	if c.Len() == 0 {
		delete(q.classes, e.want)
	}
}

// Len returns the number of tasks.
func (q *Queue) Len() int { return len(q.tasks) }

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
	next := q.byAge()
	for len(out) < limit && next.Len() > 0 {
		c := (*next)[0]
		e := (*c)[0]
		i := choose(e.want, candidates)
		if i < 0 {
			heap.Pop(next) // no task of this want can start
			continue
		}
		candidates[i].Active++
		q.Remove(e.id)
		out = append(out, Assignment{Task: e.id, Want: e.want, Node: candidates[i].Node, Downloader: candidates[i].ID})
		if c.Len() == 0 {
			heap.Pop(next)
		} else {
			heap.Fix(next, 0)
		}
	}
	return out
}

// byAge returns the classes, the one with the oldest task on top.
func (q *Queue) byAge() *classes {
	all := make(classes, 0, len(q.classes))
	for _, c := range q.classes {
		all = append(all, c)
	}
	heap.Init(&all)
	return &all
}

// classes is a heap of those that have tasks.
type classes []*class

func (c classes) Len() int           { return len(c) }
func (c classes) Less(i, j int) bool { return (*c[i])[0].id < (*c[j])[0].id }
func (c classes) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }

// Push is for package heap.
func (c *classes) Push(x any) {
	if added, ok := x.(*class); ok {
		*c = append(*c, added)
	}
}

// Pop is for package heap. It looks at no task: the class may have none left.
func (c *classes) Pop() any {
	old := *c
	last := old[len(old)-1]
	*c = old[:len(old)-1]
	return last
}

// entry is a task in the queue.
type entry struct {
	id    core.TaskID
	want  Want
	index int // in its class
}

// class is a heap of the tasks of one want with the oldest on top: ids sort by time.
type class []*entry

func (c class) Len() int           { return len(c) }
func (c class) Less(i, j int) bool { return c[i].id < c[j].id }

func (c class) Swap(i, j int) {
	c[i], c[j] = c[j], c[i]
	c[i].index, c[j].index = i, j
}

// Push is for package heap.
func (c *class) Push(x any) {
	if e, ok := x.(*entry); ok {
		e.index = len(*c)
		*c = append(*c, e)
	}
}

// Pop is for package heap.
func (c *class) Pop() any {
	old := *c
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*c = old[:len(old)-1]
	return e
}
