// Command scripted is the scripted downloader as an executable.
package main

import (
	"github.com/haul-dl/haul/sdk/pluginmain"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func main() { pluginmain.Serve(scripted.New(scripted.Options{Load: true})) }
