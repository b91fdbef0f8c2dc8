// Command haul is the server and its command line in one binary.
package main

import (
	"os"

	"github.com/haul-dl/haul/core/internal/app"
)

func main() { os.Exit(app.Main(os.Args[1:])) }
