// Command instant is a plugin whose downloads are complete at once.
package main

import (
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/pluginmain"
	"github.com/haul-dl/haul/sdk/plugintest/scripted"
)

func main() {
	pluginmain.Serve(scripted.New(scripted.Options{
		Name: "instant",
		Auto: func(req downloader.AddRequest) map[string][]byte {
			return map[string][]byte{"file.txt": []byte(req.Source.URI)}
		},
	}))
}
