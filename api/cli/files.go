package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) filesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "files ID",
		Short: "List a task's files",
		Args:  cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := s.client()
			if err != nil {
				return err
			}
			id, err := resolveTask(c.Context(), api, args[0])
			if err != nil {
				return err
			}
			files, err := api.TaskFiles(c.Context(), id)
			if err != nil {
				return err
			}
			if s.format == formatJSON {
				return s.json(listed[client.File]{files.Items})
			}
			return s.fileTable(files.Items)
		},
	}
}

func (s *shell) fileTable(files []client.File) error {
	rows := make([][]string, len(files))
	for i, f := range files {
		done := ""
		if f.DoneBytes != nil {
			done = percent(*f.DoneBytes, &f.Size)
		}
		why := ""
		if f.Error != nil {
			why = fmt.Sprintf("%s (%s)", f.Error.Message, f.Error.Code)
		}
		rows[i] = []string{fmt.Sprint(f.Index), size(f.Size), done, fileState(&f), f.Path, why}
	}
	return s.table([]string{"INDEX", "SIZE", "DONE", "STATE", "PATH", "NOTE"}, rows)
}

func fileState(f *client.File) string {
	switch {
	case f.Delivered:
		return "delivered"
	case f.Skipped:
		return "skipped"
	case !f.Wanted:
		return "not wanted"
	case f.Error != nil:
		return "failed"
	}
	return "not yet"
}
