package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const day = 24 * time.Hour

// ParseDuration reads a length of time such as 90s, 1h30m, 7d, 1d12h or 0.
func ParseDuration(s string) (time.Duration, error) {
	text := strings.TrimSpace(s)
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		days, rest = "0", text
	}
	n, err := strconv.ParseInt(days, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/int64(day) || hasDays && strings.HasPrefix(rest, "-") {
		return 0, errDuration(s)
	}
	total := time.Duration(n) * day
	if rest == "" && hasDays {
		return total, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || total+d < 0 {
		return 0, errDuration(s)
	}
	return total + d, nil
}

func errDuration(s string) error {
	return fmt.Errorf("must be a length of time such as 30m, 12h or 7d, not %q", s)
}

// formatDuration returns what ParseDuration reads, for people: days from two on.
func formatDuration(d time.Duration) string {
	if d >= 2*day && d%day == 0 {
		return strconv.FormatInt(int64(d/day), 10) + "d"
	}
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	if s == "0s" {
		return "0"
	}
	return s
}
