// Package layers says which of haul's packages may import which, and finds
// those that do otherwise. Its test runs over the whole module.
package layers

import (
	"fmt"
	"slices"
	"strings"
)

// Rule is what some packages may import of this module. Patterns are relative
// to the module: "core" is that package alone, "core/..." also all below it,
// and "SELF/..." the plugin to which the importing package belongs.
type Rule struct {
	// Packages is the pattern of the packages that the rule is for.
	Packages string
	// May holds the patterns of what they may import.
	May []string
	// Never holds exceptions from May.
	Never []string
	// Tests holds the patterns of what their tests may import in addition.
	Tests []string
	// Why is said to those who break it.
	Why string
}

// Rules are tried in order; the first whose pattern fits decides.
var Rules = []Rule{
	{
		Packages: "plugins/...", May: []string{"SELF/...", "sdk/..."},
		Why: "a plugin knows the SDK only, as anybody's does",
	},
	{
		Packages: "storages/...", May: []string{"SELF/...", "sdk/..."},
		Why: "a plugin knows the SDK only, as anybody's does",
	},
	{
		Packages: "sdk/...", May: []string{"sdk/..."},
		Why: "the SDK imports nothing of ours",
	},
	{
		Packages: "core/cmd/...", May: []string{"core/internal/app"},
		Why: "main is thin",
	},
	{
		Packages: "core/internal/app/...", May: []string{"core/...", "api/...", "sdk/..."},
		Why: "app joins core and api, and nothing else",
	},
	{
		Packages: "core/internal/store/...", May: []string{"core/...", "sdk/..."},
		Never: []string{"core/internal/app/...", "core/internal/pluginhost/...", "core/internal/worker/..."},
		Why:   "the store does not know who uses it",
	},
	{
		Packages: "core/internal/pluginhost/...", May: []string{"core/...", "sdk/..."},
		Never: []string{"core/internal/app/...", "core/internal/store/...", "core/internal/tasks/..."},
		Why:   "the plugin host does not know what plugins are used for",
	},
	{
		Packages: "core", May: []string{"sdk/..."},
		Why: "the domain is in the middle",
	},
	{
		Packages: "core/...", May: []string{"core/...", "sdk/..."}, Never: []string{"core/internal/app/...", "core/cmd/..."},
		Why: "only core/internal/app joins core and api",
	},
	{
		Packages: "api/rest/...", May: []string{"core", "api/...", "sdk/..."}, Never: []string{"api/cli/...", "api/client/..."},
		Why: "handlers use the services of package core, not what is behind them",
	},
	{
		Packages: "api/...", May: []string{"api/...", "sdk/..."}, Never: []string{"api/rest/..."},
		Tests: []string{"core", "api/rest"}, // the other side of the wire
		Why:   "what runs at a user's knows the REST contract only",
	},
	{
		Packages: "internal/...", May: []string{"internal/...", "sdk/..."},
		Why: "test surroundings look at haul from outside",
	},
}

// TestHelpers are the packages that tests, and nobody else, may import in
// addition.
var TestHelpers = []string{"internal/...", "sdk/plugintest/..."}

// Package is what of a package matters here. Paths are relative to the module.
type Package struct {
	// Path is its import path.
	Path string
	// Imports are those of its code, TestImports those of its tests.
	Imports, TestImports []string
}

// Check returns a sentence for each import that breaks a rule.
func Check(p Package) []string {
	rule, ok := ruleFor(p.Path)
	if !ok {
		return []string{fmt.Sprintf("%s belongs to no layer: give it a rule", p.Path)}
	}
	var broken []string
	for _, imp := range p.Imports {
		if !rule.allows(p.Path, imp) {
			broken = append(broken, fmt.Sprintf("%s imports %s: %s", p.Path, imp, rule.Why))
		}
	}
	for _, imp := range p.TestImports {
		if !rule.allows(p.Path, imp) && !rule.allowsTest(p.Path, imp) {
			broken = append(broken, fmt.Sprintf("a test of %s imports %s: %s", p.Path, imp, rule.Why))
		}
	}
	return broken
}

func ruleFor(path string) (Rule, bool) {
	i := slices.IndexFunc(Rules, func(r Rule) bool { return matches(r.Packages, path) })
	if i < 0 {
		return Rule{}, false
	}
	return Rules[i], true
}

func (r Rule) allows(path, imp string) bool {
	if matchesAny(r.Never, imp) {
		return false
	}
	return slices.ContainsFunc(r.May, func(pattern string) bool {
		return matches(strings.ReplaceAll(pattern, "SELF", plugin(path)), imp)
	})
}

// allowsTest knows what only tests may import: an external one has to import
// the package that it tests.
func (r Rule) allowsTest(path, imp string) bool {
	return path == imp || matchesAny(TestHelpers, imp) || matchesAny(r.Tests, imp)
}

// plugin returns the folder of the plugin that a package belongs to.
func plugin(path string) string {
	parts := strings.SplitN(path, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func matchesAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, path) })
}

func matches(pattern, path string) bool {
	dir, below := strings.CutSuffix(pattern, "/...")
	return path == dir || below && strings.HasPrefix(path, dir+"/")
}
