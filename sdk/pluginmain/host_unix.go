//go:build unix

package pluginmain

import "syscall"

func keepFromChildren(fd int) { syscall.CloseOnExec(fd) }
