//go:build failpoint

package failpoint

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// variable names the environment variable with the plan.
const variable = "HAUL_FAILPOINT"

// armed is read once, at the first hit. It is package state, for a point must
// be one line wherever it stands, and a process dies but once.
var armed = sync.OnceValue(func() *plan {
	p, err := parse(os.Getenv(variable))
	if err != nil {
		panic(fmt.Sprintf("%s: %v", variable, err))
	}
	return p
})

// Hit marks a point between two steps. It may be called concurrently.
func Hit(name string) {
	if armed().dies(name) {
		die(name)
	}
}

// HitOf marks the point "NAME.KIND", for what is done to several kinds of things.
func HitOf(name, kind string) { Hit(name + "." + kind) }

// die ends the process at once: nothing is flushed, no deferred call runs.
func die(name string) {
	_, _ = os.Stderr.WriteString("failpoint: " + name + "\n")
	_ = syscall.Kill(syscall.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

// plan says when to die. The zero plan never does.
type plan struct {
	name   string
	prefix bool

	mu     sync.Mutex // guards what follows
	left   int        // hits until the end
	chance float64
	random *rand.Rand
}

func parse(text string) (*plan, error) {
	if text == "" {
		return &plan{}, nil
	}
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return nil, fmt.Errorf("%q has no =", text)
	}
	if name == "random" {
		return parseRandom(value)
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return nil, fmt.Errorf("%q is no count", value)
	}
	name, prefix := strings.CutSuffix(name, "*")
	return &plan{name: name, prefix: prefix, left: n}, nil
}

func parseRandom(value string) (*plan, error) {
	chance, seed, _ := strings.Cut(value, ":")
	p, err := strconv.ParseFloat(chance, 64)
	if err != nil || p < 0 || p > 1 {
		return nil, fmt.Errorf("%q is no probability", chance)
	}
	s, err := strconv.ParseUint(seed, 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%q is no seed", seed)
	}
	return &plan{chance: p, random: rand.New(rand.NewPCG(s, 0))}, nil //nolint:gosec // it can be repeated
}

// dies counts a hit, and reports whether it is the last.
func (p *plan) dies(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.random != nil {
		return p.random.Float64() < p.chance
	}
	if p.left == 0 || name != p.name && !(p.prefix && strings.HasPrefix(name, p.name)) {
		return false
	}
	p.left--
	return p.left == 0
}
