//go:build failpoint

package failpoint

import "testing"

func TestAPlanDiesAtTheRightHit(t *testing.T) {
	hits := []string{"store.before", "store.after", "store.before", "step.add", "step.remove"}
	for _, c := range []struct {
		name, plan string
		want       int // index of the last hit; len(hits) is never
	}{
		{"nothing is armed", "", 5},
		{"the second hit of a name", "store.before=2", 2},
		{"a name that comes less often", "store.after=2", 5},
		{"any name with a prefix", "step.*=2", 4},
		{"any name at all", "*=4", 3},
		{"certain death", "random=1:7", 0},
		{"no chance", "random=0:7", 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := parse(c.plan)
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for got < len(hits) && !p.dies(hits[got]) {
				got++
			}
			if got != c.want {
				t.Errorf("died at hit %d, want %d", got, c.want)
			}
		})
	}
}

func TestAPlanThatMakesNoSenseIsRefused(t *testing.T) {
	for _, text := range []string{"store.before", "store.before=0", "store.before=x", "random=2:1", "random=0.5", "random=x:1"} {
		if _, err := parse(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}
