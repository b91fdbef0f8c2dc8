// Command haul-downloader-transmission is haul's plugin for Transmission.
package main

import (
	"github.com/haul-dl/haul/plugins/transmission/internal/driver"
	"github.com/haul-dl/haul/sdk/pluginmain"
)

func main() { pluginmain.Serve(driver.New()) }
