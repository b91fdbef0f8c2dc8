package driver

import (
	"context"
	"log/slog" //nolint:depguard // rclone logs to one of its handlers
	"slices"
	"strings"

	"github.com/hashicorp/go-hclog"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config/obscure"
)

// shortest is how long a secret is at least to be looked for: a shorter one
// would tear texts apart.
const shortest = 4

// redactor hides the secrets of the settings in texts of rclone and of servers.
type redactor struct{ replacer *strings.Replacer }

func newRedactor(all sections) redactor {
	var secrets []string
	for _, section := range all {
		info, err := fs.Find(section["type"])
		if err != nil {
			continue
		}
		for name, value := range section {
			o := info.Options.Get(name)
			if o == nil || !isSecret(o) || len(value) < shortest {
				continue
			}
			secrets = append(secrets, value)
			if plain, err := obscure.Reveal(value); err == nil && o.IsPassword && len(plain) >= shortest {
				secrets = append(secrets, plain)
			}
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, secret := range slices.Compact(secrets) {
		pairs = append(pairs, secret, "<secret>")
	}
	return redactor{strings.NewReplacer(pairs...)}
}

func (r redactor) text(s string) string { return r.replacer.Replace(s) }

// logHandler hands rclone's log to haul's, at debug: what matters of it returns
// as an error, too.
type logHandler struct {
	logger hclog.Logger
	redact redactor
}

func newLogHandler(logger hclog.Logger, redact redactor) slog.Handler {
	return logHandler{logger: logger.Named("rclone"), redact: redact}
}

// Enabled implements slog.Handler.
func (h logHandler) Enabled(context.Context, slog.Level) bool { return h.logger.IsDebug() }

// Handle implements slog.Handler.
func (h logHandler) Handle(_ context.Context, r slog.Record) error {
	args := []any{}
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "object" {
			args = append(args, "object", h.redact.text(a.Value.String()))
		}
		return true
	})
	h.logger.Debug(h.redact.text(r.Message), args...)
	return nil
}

// WithAttrs implements slog.Handler.
func (h logHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h logHandler) WithGroup(string) slog.Handler { return h }
