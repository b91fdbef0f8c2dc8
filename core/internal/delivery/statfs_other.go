//go:build unix && !linux

package delivery

import "golang.org/x/sys/unix"

func nameLimit(*unix.Statfs_t) int { return maxName }
