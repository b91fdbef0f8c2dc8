package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) groupCommand() *cobra.Command {
	return group("group", "Manage groups of users", s.groupAdd(), s.groupLs(), s.groupSet(),
		s.remover("Remove a group that has no users", (*client.Client).DeleteGroup))
}

// groupFlags is what a command line says of a group.
type groupFlags struct {
	name        string
	permissions []string
	seed        seedFlags
}

func (f *groupFlags) register(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.permissions, "permission", nil, "what its users may do: download, admin; may be repeated, '' for nothing")
	f.seed.register(c, "the downloader")
}

// given returns the permissions, nil where nothing was said.
func (f *groupFlags) given(c *cobra.Command) *[]client.Permission {
	if !c.Flags().Changed("permission") {
		return nil
	}
	out := []client.Permission{}
	for _, p := range f.permissions {
		if p != "" {
			out = append(out, client.Permission(p))
		}
	}
	return &out
}

func (s *shell) groupAdd() *cobra.Command {
	var f groupFlags
	c := &cobra.Command{
		Use: "add NAME", Short: "Add a group", Args: cobra.ExactArgs(1),
		Example: "  haul group add friends --seed-ratio 1",
		RunE: func(c *cobra.Command, args []string) error {
			seed, err := f.seed.choice(c)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			g, err := api.CreateGroup(c.Context(), client.CreateGroupRequest{Name: args[0], Permissions: f.given(c), Seed: seed})
			if err != nil {
				return err
			}
			return s.showGroup(g)
		},
	}
	f.register(c)
	return c
}

func (s *shell) groupSet() *cobra.Command {
	var f groupFlags
	c := &cobra.Command{
		Use: "set NAME", Aliases: []string{"edit"}, Short: "Change a group; what is left out stays", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			seed, err := f.seed.choice(c)
			if err != nil {
				return err
			}
			req := client.UpdateGroupRequest{Name: given(f.name), Permissions: f.given(c), Seed: seed}
			if req.Name == nil && req.Permissions == nil && !seed.Given {
				return usagef("there is nothing to change: see haul group set --help")
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			g, err := api.UpdateGroup(c.Context(), args[0], req)
			if err != nil {
				return err
			}
			return s.showGroup(g)
		},
	}
	f.register(c)
	c.Flags().StringVar(&f.name, "name", "", "another name")
	return c
}

func (s *shell) groupLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List groups", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			all, err := everything(func(cursor string) ([]client.Group, *string, error) {
				page, err := api.ListGroups(c.Context(), cursor)
				if err != nil {
					return nil, nil, err
				}
				return page.Items, page.NextCursor, nil
			})
			if err != nil {
				return err
			}
			if s.format == formatJSON {
				return s.json(listed[client.Group]{all})
			}
			rows := make([][]string, len(all))
			for i := range all {
				rows[i] = []string{all[i].Name, permissionsOf(&all[i]), seedText(all[i].Seed)}
			}
			return s.table([]string{"NAME", "MAY", "SEEDING"}, rows)
		},
	}
}

func permissionsOf(g *client.Group) string {
	names := make([]string, len(g.Permissions))
	for i, p := range g.Permissions {
		names[i] = string(p)
	}
	return strings.Join(names, ", ")
}

func (s *shell) showGroup(g *client.Group) error {
	if s.format == formatJSON {
		return s.json(g)
	}
	return s.details([][2]string{
		{"name", g.Name}, {"id", g.ID}, {"may", permissionsOf(g)}, {"seeding", seedText(g.Seed)}, {"created", when(&g.CreatedAt)},
	})
}
