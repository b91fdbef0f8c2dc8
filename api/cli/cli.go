// Package cli has the client commands of haul: thin layers over the REST
// client that show people tables and hand scripts JSON.
package cli

import (
	"cmp"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

// DefaultURL is the server that is asked unless HAUL_URL names another.
const DefaultURL = "http://127.0.0.1:7420"

// Options is what the commands see of the process. Zero fields mean the
// process's own.
type Options struct {
	In       io.Reader
	Out, Err io.Writer
	// Getenv reads the environment: HAUL_URL and HAUL_TOKEN.
	Getenv func(string) string
	// ConfigDir is where tokens are kept; empty means haul's folder in the
	// user's own configuration directory.
	ConfigDir string
	// Poll is how often a task is looked at while waiting for it.
	Poll time.Duration
}

// shell is what all commands share.
type shell struct {
	Options
	format string
}

// Commands returns the client commands, for a root command of the caller's.
// Their errors are for ExitCode and PrintError.
func Commands(o Options) []*cobra.Command {
	s := &shell{Options: o.withDefaults()}
	commands := []*cobra.Command{
		s.loginCommand(), s.logoutCommand(), s.whoamiCommand(),
		s.addCommand(), s.inspectCommand(), s.lsCommand(), s.showCommand(), s.setCommand(),
		s.pauseCommand(), s.resumeCommand(), s.cancelCommand(), s.retryCommand(), s.recheckCommand(), s.rmCommand(),
		s.filesCommand(), s.getCommand(), s.downloaderCommand(), s.storageCommand(), s.pluginCommand(),
		s.userCommand(), s.groupCommand(),
	}
	for _, c := range commands {
		s.finish(c)
	}
	return commands
}

func (o Options) withDefaults() Options {
	if o.In == nil {
		o.In = os.Stdin
	}
	if o.Out == nil {
		o.Out = os.Stdout
	}
	if o.Err == nil {
		o.Err = os.Stderr
	}
	if o.Getenv == nil {
		o.Getenv = os.Getenv
	}
	o.Poll = cmp.Or(o.Poll, 500*time.Millisecond)
	return o
}

// finish gives a command and those below it what they all have.
func (s *shell) finish(c *cobra.Command) {
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	if args := c.Args; args != nil {
		c.Args = func(c *cobra.Command, given []string) error {
			if err := args(c, given); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	if run := c.RunE; run != nil {
		c.Flags().StringVarP(&s.format, "format", "o", formatTable, "how to show the result: table or json")
		c.RunE = func(c *cobra.Command, args []string) error {
			if s.format != formatTable && s.format != formatJSON {
				return usagef("there is no format %q: use table or json", s.format)
			}
			return run(c, args)
		}
	}
	for _, sub := range c.Commands() {
		s.finish(sub)
	}
}

// group returns a command that only holds others.
func group(use, short string, subs ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("%q needs a command behind it: see haul %s --help", use, use)
		},
	}
	c.AddCommand(subs...)
	return c
}

func (s *shell) url() string { return cmp.Or(s.Getenv("HAUL_URL"), DefaultURL) }

// client returns a client with the token that HAUL_TOKEN or a login gave.
func (s *shell) client() (*client.Client, error) {
	token := s.Getenv("HAUL_TOKEN")
	if token == "" {
		store, err := s.credentials()
		if err != nil {
			return nil, err
		}
		if token, err = store.token(s.url()); err != nil {
			return nil, err
		}
	}
	if token == "" {
		return nil, errs.New(errs.Unauthenticated, "You are not logged in at %s.", s.url()).
			WithHint("Run haul login, or set HAUL_TOKEN.")
	}
	return client.New(client.Options{URL: s.url(), Token: token})
}

func (s *shell) credentials() (*credentials, error) {
	dir := s.ConfigDir
	if dir == "" {
		base, err := os.UserConfigDir()
		if err != nil {
			return nil, errs.Wrap(err, errs.InvalidRequest, "There is no place to keep the token.").WithHint("Set HOME, or HAUL_TOKEN.")
		}
		dir = filepath.Join(base, "haul")
	}
	return &credentials{path: filepath.Join(dir, "credentials.json")}, nil
}
