package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) pluginCommand() *cobra.Command {
	return group("plugin", "Look at plugins",
		s.verifyCommand(),
		&cobra.Command{
			Use: "show NAME", Short: "Show a plugin: its settings and options", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return s.showPlugin(c.Context(), args[0]) },
		},
		&cobra.Command{
			Use: "ls", Short: "List the plugins that were found", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return s.plugins(c.Context(), (*client.Client).Plugins)
			},
		},
		&cobra.Command{
			Use: "rescan", Short: "Look for plugins again", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error {
				return s.plugins(c.Context(), (*client.Client).RescanPlugins)
			},
		},
	)
}

func (s *shell) plugins(ctx context.Context, ask func(*client.Client, context.Context) (*client.PluginList, error)) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	list, err := ask(api, ctx)
	if err != nil {
		return err
	}
	if s.format == formatJSON {
		return s.json(listed[client.Plugin]{list.Items})
	}
	rows := make([][]string, len(list.Items))
	for i := range list.Items {
		rows[i] = pluginRow(&list.Items[i])
	}
	return s.table([]string{"NAME", "KIND", "VERSION", "SOURCES", "USED BY", "NOTE"}, rows)
}

func pluginRow(p *client.Plugin) []string {
	sources := make([]string, len(p.Sources))
	for i, kind := range p.Sources {
		sources[i] = string(kind)
	}
	users := make([]string, len(p.Instances))
	for i, in := range p.Instances {
		users[i] = in.Name
	}
	note := text(p.ManagedHint)
	switch {
	case p.Error != nil:
		note = fmt.Sprintf("%s (%s)", p.Error.Message, p.Error.Code)
	case !p.Active && len(p.Instances) == 0:
		note = "another version is in use"
	case p.Managed:
		note = "runs its own daemon when no address is set"
	}
	return []string{p.Name, string(p.Kind), text(p.Version), strings.Join(sources, ","), strings.Join(users, ","), note}
}
