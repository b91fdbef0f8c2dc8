package worker

import (
	"flag"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/haul-dl/haul/core/internal/secret"
)

// interleavings is how many programs are tried, unless -rapid.checks says so.
const interleavings = 500

// act is one thing that happens to a node. Which job, task or amount it is
// about follows from A and B, whatever there is at that moment.
type act struct {
	Do   string
	A, B int
	// Wait is the time until the next one, in milliseconds.
	Wait int
}

// acts are all that may happen, the more often the more they are named.
var acts = []string{
	"new", "new", "new", "join", "join", "leave", "remove",
	"pause", "resume", "select", "retarget", "recheck",
	"send", "send", "send", "send whole",
	"load", "load", "finish", "finish", "finish", "lose", "forget selection", "stop by hand",
	"unreachable", "reachable", "reachable", "drop answers",
	"journal fails", "journal works", "journal works",
	"crash", "crash", "crash at point", "crash at point", "clock",
}

func programs() *rapid.Generator[[]act] {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) act {
		return act{
			Do: rapid.SampledFrom(acts).Draw(t, "do"),
			A:  rapid.IntRange(0, 99).Draw(t, "a"), B: rapid.IntRange(0, 99).Draw(t, "b"),
			Wait: rapid.SampledFrom([]int{0, 0, 1, 50, 400, 1100, 6000}).Draw(t, "wait"),
		}
	}), 5, 60)
}

// TestEveryInterleavingEndsAsCoreWants lets core, the daemon, the disk and death
// do what they like, in any order, then gives peace: every task has its files,
// once, and of every job nothing is left.
func TestEveryInterleavingEndsAsCoreWants(t *testing.T) {
	times(t, interleavings)
	box, err := secret.Open(t.TempDir() + "/key")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		program, seed := programs().Draw(rt, "program"), rapid.Uint64().Draw(rt, "seed")
		dir, err := os.MkdirTemp(memory(t), "interleave-*")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		var wrong []string
		synctest.Test(t, func(*testing.T) {
			s := newStage(dir, box, seed)
			for _, a := range program {
				s.act(a)
				time.Sleep(time.Duration(a.Wait) * time.Millisecond)
			}
			s.peace()
			wrong = s.wrong
		})
		for _, w := range wrong {
			rt.Error(w)
		}
	})
}

// times sets how often rapid tries, where nobody asked for a number.
func times(t *testing.T, n int) {
	if err := flag.Set("rapid.nofailfile", "true"); err != nil {
		t.Fatal(err)
	}
	f := flag.Lookup("rapid.checks")
	if f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(strconv.Itoa(n)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}

// memory returns a directory where a sync costs nothing, if there is one.
func memory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "haul-worker-*")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
