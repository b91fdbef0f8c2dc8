package pluginhost

import (
	"testing"
	"time"
)

func newRestarts() *restarts {
	return &restarts{policy: defaultTuning().restart, random: func() float64 { return 0.5 }}
}

func TestCrashesOfAReadyPluginAreWaitedForEverLonger(t *testing.T) {
	r := newRestarts()
	var got []time.Duration
	for range 10 {
		got = append(got, r.afterRun(time.Second))
	}
	if got[0] > time.Second || got[1] != time.Second || got[2] != 2*time.Second || got[9] != time.Minute {
		t.Errorf("waits %v", got)
	}
	if again := r.afterRun(6 * time.Minute); again != got[0] {
		t.Errorf("after five good minutes it waits %v", again)
	}
}

func TestAPluginThatWorksBetweenItsCrashesIsUpMostOfTheTime(t *testing.T) {
	for _, ran := range []time.Duration{2 * time.Second, 10 * time.Second, time.Minute} {
		r := newRestarts()
		for range 50 {
			if wait := r.afterRun(ran); wait > ran/2 {
				t.Fatalf("after a run of %v it waits %v", ran, wait)
			}
		}
	}
}

func TestFailedStartsAreGivenUpWithinTheWindowOnly(t *testing.T) {
	tests := []struct {
		name    string
		every   time.Duration
		counted bool
		giveUp  bool
	}{
		{"five in a row", time.Second, true, true},
		{"five in an hour", 12 * time.Minute, true, false},
		{"those that the plugin is not to blame for", time.Second, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, now, last := newRestarts(), time.Unix(0, 0), false
			for range 5 {
				_, last = r.afterFailedStart(now, tt.counted)
				now = now.Add(tt.every)
			}
			if last != tt.giveUp {
				t.Errorf("gives up: %v", last)
			}
		})
	}
}

func TestJitterStaysWithinAFifth(t *testing.T) {
	for _, random := range []float64{0, 0.999999} {
		r := newRestarts()
		r.random = func() float64 { return random }
		if d, _ := r.afterFailedStart(time.Unix(0, 0), true); d < 800*time.Millisecond || d > 1200*time.Millisecond {
			t.Errorf("waits %v", d)
		}
	}
}
