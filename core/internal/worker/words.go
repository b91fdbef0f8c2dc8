package worker

import (
	"fmt"
	"time"
)

// sizeWords returns a number of bytes for people.
func sizeWords(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, i := float64(n), 0
	for v >= 1024 && i < len(units)-1 {
		v /= 1024
		i++
	}
	if i == 0 || v >= 100 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}

// timeWords returns a length of time for people, in its largest whole unit.
func timeWords(d time.Duration) string {
	for _, u := range []struct {
		of   time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		n := d / u.of
		switch {
		case n == 1 && d%u.of == 0 && u.of != 24*time.Hour:
			return "1 " + u.name
		case n >= 2 && (d%u.of == 0 || n >= 10):
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	if s := d.Round(time.Second); s != time.Second {
		return fmt.Sprintf("%.0f seconds", s.Seconds())
	}
	return "1 second"
}
