package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

func (s *shell) loginCommand() *cobra.Command {
	var user string
	c := &cobra.Command{
		Use:   "login",
		Short: "Log in, and keep the token for the next commands",
		Long: "Log in at the server (HAUL_URL), and keep the token for the next commands.\n\n" +
			"The password is asked for, or read from standard input where that is no terminal.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return s.login(c, user) },
	}
	c.Flags().StringVarP(&user, "user", "u", "", "the user's name; asked for if left out")
	return c
}

func (s *shell) login(c *cobra.Command, user string) error {
	in := bufio.NewReader(s.In)
	var err error
	if user == "" {
		if user, err = s.ask(in, "User: "); err != nil {
			return err
		}
	}
	password, err := s.askPassword(in, "Password: ")
	if err != nil {
		return err
	}
	api, err := client.New(client.Options{URL: s.url()})
	if err != nil {
		return err
	}
	login, err := api.Login(c.Context(), user, password)
	if err != nil {
		return err
	}
	store, err := s.credentials()
	if err != nil {
		return err
	}
	if err := store.put(s.url(), credential{User: user, Token: login.Token, ExpiresAt: login.ExpiresAt}); err != nil {
		return err
	}
	return s.say(map[string]any{"user": user, "server": s.url(), "expires_at": login.ExpiresAt},
		"Logged in at %s as %s until %s.", s.url(), user, when(&login.ExpiresAt))
}

// ask reads a line. It asks for it at a terminal alone.
func (s *shell) ask(in *bufio.Reader, prompt string) (string, error) {
	if terminal(s.In) != nil {
		_, _ = fmt.Fprint(s.Err, prompt)
	}
	line, err := in.ReadString('\n')
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", usagef("nothing was given for %q", strings.TrimSuffix(prompt, ": "))
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return "", errs.Wrap(err, errs.InvalidRequest, "The input cannot be read.")
	}
	return line, nil
}

// askPassword reads a password, at a terminal without showing it.
func (s *shell) askPassword(in *bufio.Reader, prompt string) (string, error) {
	tty := terminal(s.In)
	if tty == nil {
		return s.ask(in, prompt)
	}
	_, _ = fmt.Fprint(s.Err, prompt)
	password, err := term.ReadPassword(int(tty.Fd()))
	_, _ = fmt.Fprintln(s.Err)
	if err != nil {
		return "", errs.Wrap(err, errs.InvalidRequest, "The password cannot be read.")
	}
	if len(password) == 0 {
		return "", usagef("no password was given")
	}
	return string(password), nil
}

// terminal returns the file behind a stream if it is a terminal, else nil.
func terminal(stream any) *os.File {
	if f, ok := stream.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

func (s *shell) logoutCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "End the token of the last login",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			// A token that the server does not know any more is as good as ended.
			if err := api.Logout(c.Context()); err != nil && errs.KindOf(err) != errs.KindUnauthenticated {
				return err
			}
			store, err := s.credentials()
			if err != nil {
				return err
			}
			if err := store.remove(s.url()); err != nil {
				return err
			}
			return s.say(map[string]any{"server": s.url()}, "Logged out at %s.", s.url())
		},
	}
}

func (s *shell) whoamiCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "whoami",
		Short: "Tell who you are logged in as",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			me, err := api.Me(c.Context())
			if err != nil {
				return err
			}
			return s.say(me, "%s, of the group %s, at %s (may: %s).",
				me.Name, me.Group, s.url(), strings.Join(me.Permissions, ", "))
		},
	}
}
