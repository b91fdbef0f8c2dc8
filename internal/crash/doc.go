// Package crash proves that a crash costs nothing but time. Its test runs haul,
// built to die at failpoints, with real plugins, real daemons, a real storage and
// servers that count what they send; it gives work all the time, kills one part after the
// other, and compares what is there in the end with what was promised:
//
//   - each task that was accepted exists, once, and ends as it should;
//   - its files are at the destination, whole, and nothing else is;
//   - nothing was loaded twice, or after it was delivered;
//   - no daemon and no directory keeps anything of it.
//
// `make crash` runs it for long, `make test` for a moment.
package crash
