package cli

import (
	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

func (s *shell) pauseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "pause ID…", Short: "Stop tasks for a while", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.each(c.Context(), args, (*client.Client).PauseTask)
		},
	}
}

func (s *shell) resumeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "resume ID…", Short: "Let paused tasks go on", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.each(c.Context(), args, (*client.Client).ResumeTask)
		},
	}
}

func (s *shell) cancelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "cancel ID…", Short: "End tasks before they are complete", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.each(c.Context(), args, (*client.Client).CancelTask)
		},
	}
}

func (s *shell) retryCommand() *cobra.Command {
	return &cobra.Command{
		Use: "retry ID…", Short: "Start failed or canceled tasks again", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.each(c.Context(), args, (*client.Client).RetryTask)
		},
	}
}

// taskFlags is what a command line says of a task that is to change.
type taskFlags struct {
	name, files string
	options     optionFlags
}

func (s *shell) setCommand() *cobra.Command {
	var f taskFlags
	c := &cobra.Command{
		Use:   "set ID",
		Short: "Change a task; what is left out stays",
		Long: "Change a task; what is left out stays.\n\n" +
			"Files can change until all data is loaded, limits at any time, other options while no downloader has the task.",
		Example: "  haul set 3f2a9c --limit 2M --files 0,2-5\n  haul set 3f2a9c --files all --option split=null",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			req, err := f.request(c)
			if err != nil {
				return err
			}
			return s.set(c, args[0], req)
		},
	}
	c.Flags().StringVar(&f.name, "name", "", "another name")
	c.Flags().StringVar(&f.files, "files", "", "the wanted files, such as 0,2-5, or all; see haul files")
	f.options.register(c, "an option for the downloader; null removes it")
	f.options.registerLimits(c)
	return c
}

func (f *taskFlags) request(c *cobra.Command) (*client.UpdateTaskRequest, error) {
	req := &client.UpdateTaskRequest{Name: changed(c, "name", f.name)}
	var err error
	if c.Flags().Changed("files") {
		if req.Files, err = parseFiles(f.files); err != nil {
			return nil, err
		}
	}
	if req.Options, err = f.options.raw(); err != nil {
		return nil, err
	}
	if req.Name == nil && !req.Files.Given && req.Options == nil {
		return nil, usagef("there is nothing to change: see haul set --help")
	}
	return req, nil
}

func (s *shell) set(c *cobra.Command, ref string, req *client.UpdateTaskRequest) error {
	api, err := s.client()
	if err != nil {
		return err
	}
	id, err := resolveTask(c.Context(), api, ref)
	if err != nil {
		return err
	}
	t, err := api.UpdateTask(c.Context(), id, *req)
	if err != nil {
		return err
	}
	return s.showTask(t)
}
