// Command haul-storage-rclone is haul's plugin for the storages that rclone knows.
package main

import (
	"github.com/haul-dl/haul/sdk/pluginmain"
	_ "github.com/haul-dl/haul/storages/rclone/internal/backends" // they register themselves
	"github.com/haul-dl/haul/storages/rclone/internal/driver"
)

func main() { pluginmain.ServeStorage(driver.New()) }
