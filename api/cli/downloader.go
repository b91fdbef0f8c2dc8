package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

func (s *shell) downloaderCommand() *cobra.Command {
	return group("downloader", "Manage downloaders",
		s.downloaderAdd(), s.downloaderLs(), s.downloaderShow(), s.downloaderEdit(), s.downloaderTest(), s.downloaderRm())
}

func (s *shell) downloaderAdd() *cobra.Command {
	var f downloaderFlags
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a downloader",
		Example: "  haul downloader add seedbox --plugin aria2 --set address=http://10.0.0.2:6800/jsonrpc --set-file secret=secret.txt\n" +
			"  haul downloader add own --plugin aria2 --option split=4\n" +
			"  haul downloader add box --plugin qbittorrent --set address=http://10.0.0.2:8080 --path-map /downloads=/srv/haul/node/downloads",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if f.plugin == "" {
				return usagef("--plugin is needed: see haul plugin ls")
			}
			said, err := f.read(c)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			d, err := api.CreateDownloader(c.Context(), client.CreateDownloaderRequest{
				Name: args[0], Plugin: f.plugin, Node: given(f.node), Enabled: changed(c, "enabled", f.enabled),
				Settings: said.settings, Options: said.options, PathMap: said.pathMap, Seed: said.seed,
				MaxActive: changed(c, "max-active", f.maxActive), Weight: changed(c, "weight", f.weight),
				PollInterval: changed(c, "poll-interval", f.pollInterval),
			})
			if err != nil {
				return err
			}
			return s.showDownloader(d)
		},
	}
	f.register(c)
	c.Flags().StringVar(&f.plugin, "plugin", "", "the plugin that drives it")
	c.Flags().StringVar(&f.node, "node", "", "the node it is on")
	return c
}

func (s *shell) downloaderEdit() *cobra.Command {
	var f downloaderFlags
	c := &cobra.Command{
		Use:     "edit NAME",
		Aliases: []string{"set"},
		Short:   "Change a downloader; what is left out stays",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			said, err := f.read(c)
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if err := said.layOver(c.Context(), api, args[0]); err != nil {
				return err
			}
			d, err := api.UpdateDownloader(c.Context(), args[0], client.UpdateDownloaderRequest{
				Name: changed(c, "name", f.name), Enabled: changed(c, "enabled", f.enabled),
				Settings: said.settings, Options: said.options, PathMap: said.pathMap, Seed: said.seed,
				MaxActive: changed(c, "max-active", f.maxActive), Weight: changed(c, "weight", f.weight),
				PollInterval: changed(c, "poll-interval", f.pollInterval),
			})
			if err != nil {
				return err
			}
			return s.showDownloader(d)
		},
	}
	f.register(c)
	c.Flags().StringVar(&f.name, "name", "", "another name")
	return c
}

// downloaderSaid is what the flags say beyond single values.
type downloaderSaid struct {
	settings, options *json.RawMessage
	pathMap           *[]client.PathMapping
	seed              client.SeedChoice
}

func (f *downloaderFlags) read(c *cobra.Command) (said downloaderSaid, err error) {
	if said.seed, err = f.seed.choice(c); err != nil {
		return said, err
	}
	if said.settings, err = f.settings(); err != nil {
		return said, err
	}
	if said.options, err = f.options.raw(); err != nil {
		return said, err
	}
	said.pathMap, err = parsePathMap(f.paths)
	return said, err
}

// layOver lays what was said over what the downloader has.
func (said *downloaderSaid) layOver(ctx context.Context, api *client.Client, name string) error {
	if said.settings == nil && said.options == nil {
		return nil
	}
	d, err := api.Downloader(ctx, name)
	if err != nil {
		return err
	}
	if said.settings, err = overlay(d.Settings, said.settings); err != nil {
		return err
	}
	said.options, err = overlay(d.Options, said.options)
	return err
}

// changed returns the value of a flag that was given, else nil.
func changed[T any](c *cobra.Command, flag string, value T) *T {
	if !c.Flags().Changed(flag) {
		return nil
	}
	return &value
}

func (s *shell) downloaderLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List downloaders", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := s.allDownloaders(c.Context())
			if err != nil {
				return err
			}
			if s.format == formatJSON {
				return s.json(listed[client.Downloader]{all})
			}
			rows := make([][]string, len(all))
			for i, d := range all {
				rows[i] = []string{
					d.Name, d.Node, d.Plugin, string(d.Health.State), text(d.Health.Version),
					fmt.Sprintf("%d/%d", d.Active, d.MaxActive), text(d.Health.Message),
				}
			}
			return s.table([]string{"NAME", "NODE", "PLUGIN", "HEALTH", "VERSION", "ACTIVE", "NOTE"}, rows)
		},
	}
}

func (s *shell) allDownloaders(ctx context.Context) ([]client.Downloader, error) {
	api, err := s.client()
	if err != nil {
		return nil, err
	}
	return everything(func(cursor string) ([]client.Downloader, *string, error) {
		page, err := api.ListDownloaders(ctx, cursor)
		if err != nil {
			return nil, nil, err
		}
		return page.Items, page.NextCursor, nil
	})
}

func (s *shell) downloaderShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a downloader", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			d, err := api.Downloader(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showDownloader(d)
		},
	}
}

func (s *shell) showDownloader(d *client.Downloader) error {
	if s.format == formatJSON {
		return s.json(d)
	}
	health := string(d.Health.State)
	if d.Health.Message != nil {
		health += ": " + *d.Health.Message
	}
	if d.Health.Code != nil {
		health += " (" + *d.Health.Code + ")"
	}
	return s.table(nil, [][]string{
		{"name:", d.Name},
		{"id:", d.ID},
		{"node:", d.Node},
		{"plugin:", d.Plugin},
		{"enabled:", fmt.Sprint(d.Enabled)},
		{"health:", health},
		{"version:", text(d.Health.Version)},
		{"settings:", compact(d.Settings)},
		{"options:", compact(d.Options)},
		{"path map:", pathMapOf(d)},
		{"seeding:", seedText(d.Seed)},
		{"active:", fmt.Sprintf("%d of %d", d.Active, d.MaxActive)},
		{"weight:", fmt.Sprint(d.Weight)},
		{"asked every:", fmt.Sprintf("%d s", d.PollInterval)},
		{"restarts:", fmt.Sprint(d.Restarts)},
	})
}

func pathMapOf(d *client.Downloader) string {
	pairs := make([]string, len(d.PathMap))
	for i, m := range d.PathMap {
		pairs[i] = m.Daemon + "=" + m.Node
	}
	return strings.Join(pairs, ", ")
}

func (s *shell) downloaderTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Try out a downloader", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			test, err := api.TestDownloader(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showTest(args[0], test)
		},
	}
}

// showTest shows what was found, and fails with the check that failed.
func (s *shell) showTest(name string, test *client.TestResult) error {
	rows, failed := make([][]string, len(test.Checks)), error(nil)
	for i, check := range test.Checks {
		rows[i] = []string{check.Name, "ok", check.Message}
		if check.Ok {
			continue
		}
		rows[i][1] = "failed"
		failed = &errs.Error{
			Code: errs.Code(text(check.Code)), Kind: errs.KindUnavailable, Hint: text(check.Hint),
			Msg: fmt.Sprintf("%s: %s", name, check.Message),
		}
	}
	show := func() error { return s.table([]string{"CHECK", "RESULT", "FOUND"}, rows) }
	if s.format == formatJSON {
		show = func() error { return s.json(test) }
	}
	if err := show(); err != nil {
		return err
	}
	return failed
}

func (s *shell) downloaderRm() *cobra.Command {
	return s.remover("Remove a downloader", (*client.Client).DeleteDownloader)
}
