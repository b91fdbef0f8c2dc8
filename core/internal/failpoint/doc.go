// Package failpoint lets the process die at a chosen point of its own code, as
// by a power cut. It does nothing, and costs nothing, unless haul is built with
// -tags failpoint, which only the crash tests do.
//
// Such a build reads HAUL_FAILPOINT when it starts:
//
//	NAME=N         die at the N-th hit of the point NAME
//	PREFIX*=N      die at the N-th hit of any point whose name begins so; "*=N" is of all
//	random=P:SEED  die at each hit with probability P
//
// Before it dies the process writes "failpoint: NAME" to its standard error.
package failpoint
