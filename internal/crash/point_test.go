package crash

import (
	"fmt"
	"syscall"
	"time"
)

const (
	// patience is how long a failpoint may take to be met by a server that is
	// ready; then that is killed from outside, at a moment as good as any.
	patience = 800 * time.Millisecond
	// startTimeout is for a server that has to start its plugins.
	startTimeout = 10 * time.Second
)

// crash makes one crash happen.
func (w *world) crash() {
	switch n := w.random.IntN(100); {
	case n < 60:
		w.crashAtFailpoint()
	case n < 70:
		w.crashCore("core: kill -9")
	case n < 82:
		w.crashPlugin()
	case n < 88 && w.cloud != nil:
		w.cutCloudOff()
	case n < 94:
		w.crashDaemon()
	default:
		w.crashAll()
	}
	w.checkTwins()
}

// crashAtFailpoint starts the server so that it dies by itself.
func (w *world) crashAtFailpoint() {
	if w.server.alive() {
		w.crashCore("core: kill -9")
	}
	if w.random.IntN(4) > 0 {
		w.startDaemons()
	}
	plan := fmt.Sprintf("*=%d", 1+int(20*w.random.ExpFloat64()))
	if w.random.IntN(2) == 0 {
		plan = fmt.Sprintf("%s=%d", w.points[w.random.IntN(len(w.points))], 1+int(1.2*w.random.ExpFloat64()))
	}
	w.server.start(plan)
	w.server.waitReady(startTimeout)
	w.work(time.Now().Add(patience), func() bool { return !w.server.alive() })
	if w.server.alive() {
		w.server.kill()
		w.report.point("core: kill -9")
		return
	}
	w.report.point("core: " + w.server.diedAt())
}

// crashCore kills the server at a random moment.
func (w *world) crashCore(kind string) {
	w.run()
	w.server.kill()
	w.report.point(kind)
}

// run brings up what is down, and lets it work for a random time.
func (w *world) run() {
	w.startDaemons()
	if !w.server.alive() {
		w.server.start("")
	}
	until := time.Now().Add(time.Duration(w.random.Int64N(int64(patience))))
	w.work(until, func() bool { return !w.server.alive() })
}

func (w *world) crashPlugin() {
	w.run()
	d := w.daemons[w.random.IntN(len(w.daemons))]
	plugin, name := d.plugin, d.name
	if w.cloud != nil && w.random.IntN(2) == 0 {
		plugin, name = "rclone", cloudStorage
	}
	pid := w.users[0].pluginPID(plugin, name)
	if pid == 0 {
		return // it is being started
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
		w.report.point("plugin: kill -9 " + plugin)
	}
}

func (w *world) crashDaemon() {
	w.run()
	d := w.daemons[w.random.IntN(len(w.daemons))]
	w.killDaemon(d)
	w.report.point("daemon: kill -9 " + d.plugin)
	w.workAWhile()
	w.startDaemons()
}

// cutCloudOff ends all connections of the storage, in the middle of files.
func (w *world) cutCloudOff() {
	w.run()
	w.cloud.Stop()
	w.report.point("storage: cut off")
	w.workAWhile()
	w.cloud.Restart()
}

// workAWhile is for as long as what has died may stay away.
func (w *world) workAWhile() {
	w.work(time.Now().Add(time.Duration(w.random.Int64N(int64(500*time.Millisecond)))), func() bool { return !w.server.alive() })
}

// crashAll is a power cut.
func (w *world) crashAll() {
	w.run()
	w.server.kill()
	for _, d := range w.daemons {
		w.killDaemon(d)
	}
	w.report.point("everything: kill -9")
}

func (w *world) killDaemon(d *daemon) {
	d.kill()
	d.dead = true
	w.daemonKills++
}

func (w *world) startDaemons() {
	for _, d := range w.daemons {
		if d.dead {
			d.start()
			d.dead = false
		}
	}
}
