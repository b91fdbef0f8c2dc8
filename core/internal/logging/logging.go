// Package logging makes the server's logger.
package logging

import (
	"io"

	"github.com/hashicorp/go-hclog"
)

// JSON is the format with one JSON object a line; every other one is text.
const JSON = "json"

// Options say what is logged, how and where.
type Options struct {
	// Level is the least that is logged, such as "info".
	Level string
	// Format is JSON or text.
	Format string
	// Output takes one write for each line.
	Output io.Writer
}

// New returns the logger that all parts of haul take a Named one of.
func New(o Options) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{
		Name:       "haul",
		Level:      hclog.LevelFromString(o.Level),
		JSONFormat: o.Format == JSON,
		Output:     o.Output,
		TimeFormat: hclog.TimeFormatJSON,
	})
}
