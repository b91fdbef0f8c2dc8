package pluginhost

import "time"

// tuning holds every interval and limit of the host in one place, so that
// tests can shorten them. Production has one set: defaultTuning.
type tuning struct {
	startTimeout     time.Duration // from fork to the handshake line
	describeTimeout  time.Duration // the first RPC
	configureTimeout time.Duration
	healthEvery      time.Duration
	healthTimeout    time.Duration
	healthMisses     int           // so many in a row count as hung
	drainGrace       time.Duration // for calls under way when a plugin is stopped
	retireGrace      time.Duration // for calls of a plugin that was replaced, beside the new one
	exchangeGrace    time.Duration // the same where the new one waits for the old one's end
	watchQuiet       time.Duration // without a change in the plugin directories, until they are looked at
	killGrace        time.Duration // from the shutdown request to SIGKILL
	reapWait         time.Duration // from SIGKILL until we stop waiting
	pipeLinger       time.Duration // how long output is read after the process ended

	restart restartPolicy

	concurrency int     // calls at once for each instance
	logRate     float64 // log lines a second for each process
	logBurst    float64
	outputRate  float64 // bytes a second that are read of each process's output
	streamRate  float64 // and of its streams

	addTimeout    time.Duration
	checkTimeout  time.Duration
	removeTimeout time.Duration
	orderTimeout  time.Duration // pause, resume, select files, set limits
	testTimeout   time.Duration
	tryOutTimeout time.Duration
	listTimeout   time.Duration
	statTimeout   time.Duration // and space
}

func defaultTuning() tuning {
	return tuning{
		startTimeout:     10 * time.Second,
		describeTimeout:  10 * time.Second,
		configureTimeout: 30 * time.Second,
		healthEvery:      10 * time.Second,
		healthTimeout:    2 * time.Second,
		healthMisses:     3,
		drainGrace:       2 * time.Second,
		retireGrace:      30 * time.Second,
		exchangeGrace:    10 * time.Second,
		watchQuiet:       time.Second,
		killGrace:        time.Second,
		reapWait:         time.Second,
		pipeLinger:       200 * time.Millisecond,
		restart: restartPolicy{
			first:        200 * time.Millisecond,
			min:          time.Second,
			max:          time.Minute,
			jitter:       0.2,
			worksAfter:   2 * time.Second,
			healthyAfter: 5 * time.Minute,
			window:       10 * time.Minute,
			maxStarts:    5,
		},
		concurrency:   512,
		logRate:       200,
		logBurst:      1000,
		outputRate:    8 << 20,
		streamRate:    8 << 20,
		addTimeout:    30 * time.Second,
		checkTimeout:  10 * time.Second,
		removeTimeout: 30 * time.Second,
		orderTimeout:  30 * time.Second,
		testTimeout:   30 * time.Second,
		tryOutTimeout: time.Minute,
		listTimeout:   30 * time.Second,
		statTimeout:   time.Minute,
	}
}
