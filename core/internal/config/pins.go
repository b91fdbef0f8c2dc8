package config

import (
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Pins are the SHA-256 that plugins' files may have, by the plugin's name, in
// lower-case hexadecimal digits.
type Pins map[string][]string

var pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

// sha256Digits is how many digits a SHA-256 has.
const sha256Digits = 64

// parsePins reads NAME=SHA256 pairs.
func parsePins(pairs []string) (Pins, error) {
	p := Pins{}
	for _, pair := range pairs {
		name, sum, found := strings.Cut(pair, "=")
		if !found {
			return nil, fmt.Errorf("must be made of NAME=SHA256, not %q", pair)
		}
		if why := checkPin(name, sum); why != "" {
			return nil, fmt.Errorf("%s", why)
		}
		if sum = strings.ToLower(sum); !slices.Contains(p[name], sum) {
			p[name] = append(p[name], sum)
		}
	}
	return p, nil
}

func checkPin(name, sum string) string {
	if !pluginName.MatchString(name) {
		return fmt.Sprintf("has %q, which is no name of a plugin: write what follows haul-downloader- in the name of its file", name)
	}
	if _, err := hex.DecodeString(sum); err != nil || len(sum) != sha256Digits {
		return fmt.Sprintf("has %q for %s, which is no SHA-256: 64 hexadecimal digits, as sha256sum prints them", sum, name)
	}
	return ""
}

// pairs returns what parsePins reads, sorted.
func (p Pins) pairs() []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(p)) {
		for _, sum := range p[name] {
			out = append(out, name+"="+sum)
		}
	}
	return out
}

// node returns what pinsOf reads.
func (p Pins) node() *yaml.Node {
	out := &yaml.Node{Kind: yaml.MappingNode}
	for _, name := range slices.Sorted(maps.Keys(p)) {
		sums := &yaml.Node{Kind: yaml.SequenceNode}
		for _, sum := range p[name] {
			sums.Content = append(sums.Content, scalar(sum))
		}
		out.Content = append(out.Content, scalar(name), sums)
	}
	return out
}

// pinsOf reads a mapping from names to lists.
func pinsOf(n *yaml.Node) (pairs []string, why string) {
	if n.Kind != yaml.MappingNode {
		return nil, "must be plugins' names, each with a list of SHA-256, not " + typeOf(n)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if seen[key.Value] {
			return nil, fmt.Sprintf("has %s twice; line %d", key.Value, key.Line)
		}
		seen[key.Value] = true
		sums, why := sumsOf(key.Value, value)
		if why != "" {
			return nil, why
		}
		pairs = append(pairs, sums...)
	}
	return pairs, ""
}

func sumsOf(name string, n *yaml.Node) (pairs []string, why string) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		return nil, fmt.Sprintf("must have a list of at least one SHA-256 for %s; line %d has %s", name, n.Line, typeOf(n))
	}
	for _, item := range n.Content {
		// Digits alone make a number for YAML, and a huge one no exact text.
		if item.Kind != yaml.ScalarNode || checkPin(name, item.Value) != "" {
			return nil, fmt.Sprintf("%s; line %d", checkPin(name, item.Value), item.Line)
		}
		pairs = append(pairs, name+"="+item.Value)
	}
	return pairs, ""
}
