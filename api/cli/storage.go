package cli

import (
	"context"
	"encoding/json"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) storageCommand() *cobra.Command {
	return group("storage", "Manage storages: where files go",
		s.storageAdd(), s.storageLs(), s.storageShow(), s.storageSet(), s.storageTest(), s.storageRm())
}

func (s *shell) storageAdd() *cobra.Command {
	var settings settingFlags
	var kind string
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a storage",
		Example: "  haul storage add media --set path=/srv/media\n" +
			"  haul storage add cloud --kind rclone --set remote=cloud:films --set-file config=rclone.conf",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			said, err := settings.settings()
			if err != nil {
				return err
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			st, err := api.CreateStorage(c.Context(), client.CreateStorageRequest{Name: args[0], Kind: kind, Settings: said})
			if err != nil {
				return err
			}
			return s.showStorage(st)
		},
	}
	settings.register(c)
	c.Flags().StringVar(&kind, "kind", "local", "local, or the plugin that drives it: see haul plugin ls")
	return c
}

func (s *shell) storageSet() *cobra.Command {
	var settings settingFlags
	var name string
	c := &cobra.Command{
		Use:     "set NAME",
		Aliases: []string{"edit"},
		Short:   "Change a storage; what is left out stays",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			said, err := settings.settings()
			if err != nil {
				return err
			}
			if said == nil && name == "" {
				return usagef("there is nothing to change: see haul storage set --help")
			}
			api, err := s.client()
			if err != nil {
				return err
			}
			if said, err = overlaidSettings(c.Context(), api, args[0], said); err != nil {
				return err
			}
			st, err := api.UpdateStorage(c.Context(), args[0], client.UpdateStorageRequest{Name: given(name), Settings: said})
			if err != nil {
				return err
			}
			return s.showStorage(st)
		},
	}
	settings.register(c)
	c.Flags().StringVar(&name, "name", "", "another name")
	return c
}

// overlaidSettings lays settings over those that a storage has.
func overlaidSettings(ctx context.Context, api *client.Client, name string, said *json.RawMessage) (*json.RawMessage, error) {
	if said == nil {
		return nil, nil
	}
	st, err := api.Storage(ctx, name)
	if err != nil {
		return nil, err
	}
	return overlay(st.Settings, said)
}

func (s *shell) storageLs() *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List storages", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			all, err := everything(func(cursor string) ([]client.Storage, *string, error) {
				page, err := api.ListStorages(c.Context(), cursor)
				if err != nil {
					return nil, nil, err
				}
				return page.Items, page.NextCursor, nil
			})
			if err != nil {
				return err
			}
			if s.format == formatJSON {
				return s.json(listed[client.Storage]{all})
			}
			rows := make([][]string, len(all))
			for i := range all {
				st := &all[i]
				rows[i] = []string{st.Name, st.Kind, string(st.Health.State), sizeOf(st.FreeBytes), sizeOf(st.TotalBytes), text(st.Health.Message)}
			}
			return s.table([]string{"NAME", "KIND", "HEALTH", "FREE", "TOTAL", "NOTE"}, rows)
		},
	}
}

func sizeOf(bytes *int64) string {
	if bytes == nil {
		return ""
	}
	return size(*bytes)
}

// everything follows the cursors of a list to its end.
func everything[T any](page func(cursor string) ([]T, *string, error)) ([]T, error) {
	all, cursor := []T{}, ""
	for {
		items, next, err := page(cursor)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
		if next == nil {
			return all, nil
		}
		cursor = *next
	}
}

func (s *shell) storageShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a storage", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			st, err := api.Storage(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showStorage(st)
		},
	}
}

func (s *shell) showStorage(st *client.Storage) error {
	if s.format == formatJSON {
		return s.json(st)
	}
	health := string(st.Health.State)
	if st.Health.Message != nil {
		health += ": " + *st.Health.Message
	}
	if st.Health.Code != nil {
		health += " (" + *st.Health.Code + ")"
	}
	return s.details([][2]string{
		{"name", st.Name},
		{"id", st.ID},
		{"kind", st.Kind},
		{"health", health},
		{"settings", compact(st.Settings)},
		{"free", sizeOf(st.FreeBytes)},
		{"total", sizeOf(st.TotalBytes)},
		{"created", when(&st.CreatedAt)},
	})
}

func (s *shell) storageTest() *cobra.Command {
	return &cobra.Command{
		Use: "test NAME", Short: "Try out a storage", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			test, err := api.TestStorage(c.Context(), args[0])
			if err != nil {
				return err
			}
			return s.showTest(args[0], test)
		},
	}
}

func (s *shell) storageRm() *cobra.Command {
	return s.remover("Remove a storage; its files stay", (*client.Client).DeleteStorage)
}

// remover returns a command that removes something by its name.
func (s *shell) remover(short string, remove func(*client.Client, context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use: "rm NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			if err := remove(api, c.Context(), args[0]); err != nil {
				return err
			}
			return s.say(map[string]any{"removed": args[0]}, "Removed %s.", args[0])
		},
	}
}
