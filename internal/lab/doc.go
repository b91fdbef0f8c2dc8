// Package lab gives tests real surroundings on loopback: the download daemons
// themselves, a BitTorrent swarm, and web and FTP servers that behave well or
// badly on demand.
//
// Everything lives in the test's temporary directory, listens on free ports of
// 127.0.0.1, never talks to another address, and ends with the test. A daemon
// that is not installed fails the test: what was not tried must not look well.
// HAUL_TEST_DAEMONS names a directory whose executables are taken before those
// of the PATH, to run the same tests against other versions of the daemons.
package lab
