// Command haul-downloader-qbittorrent is haul's plugin for qBittorrent.
package main

import (
	"github.com/haul-dl/haul/plugins/qbittorrent/internal/driver"
	"github.com/haul-dl/haul/sdk/pluginmain"
)

func main() { pluginmain.Serve(driver.New()) }
