// Command haul-downloader-aria2 is haul's plugin for aria2.
package main

import (
	"github.com/haul-dl/haul/plugins/aria2/internal/driver"
	"github.com/haul-dl/haul/sdk/pluginmain"
)

func main() { pluginmain.Serve(driver.New()) }
