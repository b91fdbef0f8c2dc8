package cli

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) inspectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "inspect SOURCE",
		Short: "Look at a source before it is downloaded",
		Long: "Look at a source before it is downloaded: its name, size and files as far as they can be known,\n" +
			"and which downloaders could take it. A .torrent file on this machine is uploaded.",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			info, err := inspect(c.Context(), api, args[0])
			if err != nil {
				return err
			}
			return s.showSource(info)
		},
	}
}

func inspect(ctx context.Context, api *client.Client, source string) (*client.SourceInfo, error) {
	if !isLocal(source) {
		return api.Inspect(ctx, client.Source{URI: source})
	}
	content, err := readTorrent(source)
	if err != nil {
		return nil, err
	}
	return api.InspectUpload(ctx, client.Upload{Name: filepath.Base(source), Content: content})
}

func (s *shell) showSource(info *client.SourceInfo) error {
	if s.format == formatJSON {
		return s.json(info)
	}
	total, files := "", ""
	if info.Size != nil {
		total = size(*info.Size)
	}
	if info.Files != nil {
		files = fmt.Sprint(len(*info.Files))
	}
	err := s.details([][2]string{
		{"kind", string(info.Kind)},
		{"name", text(info.Name)},
		{"size", total},
		{"info hash", text(info.InfoHash)},
		{"info hash v2", text(info.InfoHashV2)},
		{"private", yes(info.Private)},
		{"resumable", yes(info.Resumable)},
		{"downloaders", strings.Join(info.Downloaders, ", ")},
		{"files", files},
	})
	if err != nil || info.Files == nil {
		return err
	}
	rows := make([][]string, len(*info.Files))
	for i, f := range *info.Files {
		rows[i] = []string{fmt.Sprint(f.Index), size(f.Size), f.Path}
	}
	return s.table([]string{"INDEX", "SIZE", "PATH"}, rows)
}

// details shows what has a value, a line each.
func (s *shell) details(all [][2]string) error {
	var rows [][]string
	for _, row := range all {
		if row[1] != "" {
			rows = append(rows, []string{row[0] + ":", row[1]})
		}
	}
	return s.table(nil, rows)
}
