package delivery

import "golang.org/x/sys/unix"

func nameLimit(s *unix.Statfs_t) int { return int(s.Namelen) }
