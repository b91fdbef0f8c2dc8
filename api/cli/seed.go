package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

// seedFlags is what a command line says of seeding.
type seedFlags struct {
	ratio      float64
	time, idle string
	on, off    bool
	inherit    bool
}

// register adds the flags; whose policies count where nothing is said is for
// the help of --seed-default.
func (f *seedFlags) register(c *cobra.Command, others string) {
	flags := c.Flags()
	flags.BoolVar(&f.on, "seed", false, "share the torrent after its files were delivered, without a limit unless one is given")
	flags.Float64Var(&f.ratio, "seed-ratio", 0, "share it until so many bytes were sent per byte loaded")
	flags.StringVar(&f.time, "seed-time", "", "share it for so long, as in 24h or 7d")
	flags.StringVar(&f.idle, "seed-idle", "", "share it until nobody took a byte for so long")
	flags.BoolVar(&f.off, "no-seed", false, "do not share it")
	if others != "" {
		flags.BoolVar(&f.inherit, "seed-default", false, "leave it to "+others+" again")
	}
}

// choice returns what the flags say, if anything.
func (f *seedFlags) choice(c *cobra.Command) (client.SeedChoice, error) {
	limited := false
	for _, name := range []string{"seed", "seed-ratio", "seed-time", "seed-idle"} {
		limited = limited || c.Flags().Changed(name)
	}
	said := 0
	for _, one := range []bool{limited, f.off, f.inherit} {
		if one {
			said++
		}
	}
	switch {
	case said > 1:
		return client.SeedChoice{}, usagef("--seed…, --no-seed and --seed-default exclude each other")
	case f.inherit:
		return client.SeedChoice{Given: true}, nil
	case f.off:
		return client.SeedChoice{Given: true, Policy: &client.SeedPolicy{}}, nil
	case !limited:
		return client.SeedChoice{}, nil
	}
	return f.policy()
}

func (f *seedFlags) policy() (client.SeedChoice, error) {
	if f.ratio < 0 {
		return client.SeedChoice{}, usagef("--seed-ratio must not be negative")
	}
	policy := &client.SeedPolicy{Enabled: true, Ratio: f.ratio}
	var err error
	if policy.TimeSeconds, err = parseSpan("seed-time", f.time); err != nil {
		return client.SeedChoice{}, err
	}
	if policy.IdleSeconds, err = parseSpan("seed-idle", f.idle); err != nil {
		return client.SeedChoice{}, err
	}
	return client.SeedChoice{Given: true, Policy: policy}, nil
}

// parseSpan reads a length of time such as "90m", "7d" or "1d12h" as seconds.
func parseSpan(flag, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	wrong := usagef("--%s: %q is not a length of time: use one as in 90m, 24h or 7d", flag, text)
	seconds, rest := int64(0), text
	if days, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 15)
		if err != nil {
			return 0, wrong
		}
		seconds, rest = int64(n)*24*3600, after
	}
	if rest == "" {
		return seconds, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, wrong
	}
	return seconds + int64(d/time.Second), nil
}

// seedText shows a policy; "" for none.
func seedText(p *client.SeedPolicy) string {
	if p == nil {
		return ""
	}
	if !p.Enabled {
		return "no"
	}
	var limits []string
	if p.Ratio > 0 {
		limits = append(limits, fmt.Sprintf("ratio %g", p.Ratio))
	}
	if p.TimeSeconds > 0 {
		limits = append(limits, duration(&p.TimeSeconds))
	}
	if p.IdleSeconds > 0 {
		limits = append(limits, "idle "+duration(&p.IdleSeconds))
	}
	if len(limits) == 0 {
		return "without a limit"
	}
	return "until " + strings.Join(limits, " or ")
}
