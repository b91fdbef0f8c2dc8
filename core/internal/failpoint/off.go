//go:build !failpoint

package failpoint

// Hit marks a point between two steps. It may be called concurrently.
func Hit(string) {}

// HitOf marks the point "NAME.KIND", for what is done to several kinds of things.
func HitOf(_, _ string) {}
