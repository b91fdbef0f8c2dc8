// Command haul-storage-scripted is a storage that does wrong what its settings say.
package main

import (
	"github.com/haul-dl/haul/sdk/pluginmain"
	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
)

func main() { pluginmain.ServeStorage(scriptedstorage.Plugin{}) }
