package cli

import (
	"bufio"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) userCommand() *cobra.Command {
	return group("user", "Manage users", s.userAdd(), s.userLs(), s.userSet(), s.userPasswd(),
		s.remover("Remove a user; their files stay", (*client.Client).DeleteUser))
}

const passwordHelp = "The password is asked for, or read from standard input where that is no terminal."

func (s *shell) userAdd() *cobra.Command {
	var group string
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a user", Long: "Add a user.\n\n" + passwordHelp,
		Example: "  haul user add alice\n  haul user add bob --group admins",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			password, err := s.askNewPassword(bufio.NewReader(s.In), "Password: ")
			if err != nil {
				return err
			}
			u, err := api.CreateUser(c.Context(), client.CreateUserRequest{Name: args[0], Password: password, Group: given(group)})
			if err != nil {
				return err
			}
			return s.showUser(u)
		},
	}
	c.Flags().StringVar(&group, "group", "", "the user's group; users if left out")
	return c
}

func (s *shell) userSet() *cobra.Command {
	var group string
	var password bool
	c := &cobra.Command{
		Use:     "set NAME",
		Aliases: []string{"edit"},
		Short:   "Change a user; what is left out stays",
		Long:    "Change a user; what is left out stays. A new password ends all tokens of the user.\n\n" + passwordHelp,
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if group == "" && !password {
				return usagef("there is nothing to change: see haul user set --help")
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			req := client.UpdateUserRequest{Group: given(group)}
			if password {
				secret, err := s.askNewPassword(bufio.NewReader(s.In), "New password: ")
				if err != nil {
					return err
				}
				req.Password = &secret
			}
			u, err := api.UpdateUser(c.Context(), args[0], req)
			if err != nil {
				return err
			}
			return s.showUser(u)
		},
	}
	c.Flags().StringVar(&group, "group", "", "another group")
	c.Flags().BoolVar(&password, "password", false, "ask for a new password")
	return c
}

func (s *shell) userPasswd() *cobra.Command {
	return &cobra.Command{
		Use:   "passwd",
		Short: "Change your own password",
		Long: "Change your own password, and end all of your tokens: log in again afterwards.\n\n" +
			"The present and the new password are asked for, or are the first two lines of standard input where that is no terminal.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			in := bufio.NewReader(s.In)
			present, err := s.askPassword(in, "Present password: ")
			if err != nil {
				return err
			}
			password, err := s.askNewPassword(in, "New password: ")
			if err != nil {
				return err
			}
			if err := api.ChangePassword(c.Context(), present, password); err != nil {
				return err
			}
			return s.say(map[string]any{"server": s.url()}, "Your password is changed. Log in again: haul login.")
		},
	}
}

// askNewPassword asks twice at a terminal, where one cannot see what one types.
func (s *shell) askNewPassword(in *bufio.Reader, prompt string) (string, error) {
	password, err := s.askPassword(in, prompt)
	if err != nil || terminal(s.In) == nil {
		return password, err
	}
	again, err := s.askPassword(in, "Once more: ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", usagef("the two passwords differ")
	}
	return password, nil
}

func (s *shell) userLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List users", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			all, err := everything(func(cursor string) ([]client.User, *string, error) {
				page, err := api.ListUsers(c.Context(), cursor)
				if err != nil {
					return nil, nil, err
				}
				return page.Items, page.NextCursor, nil
			})
			if err != nil {
				return err
			}
			if s.format == formatJSON {
				return s.json(listed[client.User]{all})
			}
			rows := make([][]string, len(all))
			for i, u := range all {
				rows[i] = []string{u.Name, u.Group, when(&u.CreatedAt)}
			}
			return s.table([]string{"NAME", "GROUP", "CREATED"}, rows)
		},
	}
}

func (s *shell) showUser(u *client.User) error {
	if s.format == formatJSON {
		return s.json(u)
	}
	return s.details([][2]string{{"name", u.Name}, {"id", u.ID}, {"group", u.Group}, {"created", when(&u.CreatedAt)}})
}
