//go:build !unix

package pluginmain

func keepFromChildren(int) {}
