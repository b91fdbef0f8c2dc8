// Command haul-downloader-fetchd is a plugin of haul for the daemon fetchd.
package main

import (
	"github.com/haul-dl/haul/sdk/pluginmain"

	"example.org/haul-downloader-fetchd/internal/driver"
)

func main() { pluginmain.Serve(driver.New()) }
