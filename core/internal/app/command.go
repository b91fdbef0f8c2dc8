package app

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/cli"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/config"
	"github.com/haul-dl/haul/core/internal/logging"
)

// Version is that of the build; the Makefile sets it.
var Version = "dev"

// Main runs the command line and returns the exit code.
func Main(args []string) int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	root := command()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err != nil {
		cli.PrintError(os.Stderr, err)
	}
	return cli.ExitCode(err)
}

func command() *cobra.Command {
	root := &cobra.Command{
		Use:           "haul",
		Short:         "Remote downloads for teams and homes",
		Version:       Version,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(serveCommand())
	root.AddCommand(cli.Commands(cli.Options{})...)
	return root
}

func serveCommand() *cobra.Command {
	var printConfig bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Args:  cobra.NoArgs,
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().BoolVar(&printConfig, "print-config", false, "print the effective configuration, secrets redacted, and exit")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := config.Load(config.Sources{Flags: cmd.Flags(), LookupEnv: os.LookupEnv, ReadFile: os.ReadFile})
		if err != nil {
			return err
		}
		if printConfig {
			return c.Print(cmd.OutOrStdout())
		}
		return serve(cmd.Context(), cmd, c)
	}
	return cmd
}

// serve runs the server and tells people where to go.
func serve(ctx context.Context, cmd *cobra.Command, c *config.Config) error {
	log := logging.New(logging.Options{Level: c.LogLevel, Format: c.LogFormat, Output: cmd.ErrOrStderr()})
	s, err := New(ctx, c, log)
	if err != nil {
		return err
	}
	if os.Getenv("GOGC") == "" {
		// From here on it mostly waits, beside daemons that need the memory more.
		debug.SetGCPercent(33)
	}
	if _, err := io.WriteString(cmd.OutOrStdout(), s.greeting(os.Args[0])); err != nil {
		log.Warn("nobody reads where to go", "err", err)
	}
	return s.Run(ctx)
}

// greeting tells where to go, and the first time as whom. Its last line works
// as it stands: with the name that haul was called by, and the server's address
// where clients would look elsewhere.
func (s *Server) greeting(program string) string {
	text := fmt.Sprintf("haul %s listens at %s\n", Version, s.URL())
	if s.GeneratedPassword != "" {
		text += fmt.Sprintf("The admin's name is %q and the password is %q. It is shown this once: keep it.\n",
			core.AdminUserName, s.GeneratedPassword)
	}
	login := program + " login"
	if s.listener.Addr().String() != config.DefaultListen {
		login = "HAUL_URL=" + s.URL() + " " + login
	}
	return text + "Log in with:  " + login + "\n"
}
