package cli

import (
	"context"

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
	var files []string
	var to destinationFlags
	c := &cobra.Command{
		Use:     "retry ID…",
		Short:   "Start failed or canceled tasks again, or held deliveries",
		Example: "  haul retry 3f2a9c\n  haul retry 3f2a9c --files 1,2 --to other/folder",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			req, err := retryRequest(c, files, to)
			if err != nil {
				return err
			}
			retry := func(api *client.Client, ctx context.Context, id string) (*client.Task, error) {
				return api.RetryTask(ctx, id, req)
			}
			return s.each(c.Context(), args, retry)
		},
	}
	c.Flags().StringArrayVar(&files, "files", nil, "the files of a held task to try, by their number, as in 1,2; see haul files")
	to.register(c)
	return c
}

func retryRequest(c *cobra.Command, files []string, to destinationFlags) (req client.RetryTaskRequest, err error) {
	var all []int
	for _, list := range files {
		indexes, err := parseIndexes(list)
		if err != nil {
			return req, err
		}
		all = append(all, indexes...)
	}
	if len(all) > 0 {
		all = sorted(all)
		req.Files = &all
	}
	req.Destination, err = to.destination(c)
	return req, err
}

func (s *shell) recheckCommand() *cobra.Command {
	return &cobra.Command{
		Use: "recheck ID…", Short: "Verify what is there, and load what is missing", Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return s.each(c.Context(), args, (*client.Client).RecheckTask)
		},
	}
}

// destinationFlags is another destination of a task.
type destinationFlags struct{ to, storage string }

func (f *destinationFlags) register(c *cobra.Command) {
	c.Flags().StringVar(&f.to, "to", "", "another folder in the owner's home, for what is not delivered yet")
	c.Flags().StringVar(&f.storage, "storage", "", "another storage, with --to")
}

// destination returns nil where none was given.
func (f *destinationFlags) destination(c *cobra.Command) (*client.Destination, error) {
	if !c.Flags().Changed("to") {
		if f.storage != "" {
			return nil, usagef("--storage needs --to: the folder there")
		}
		return nil, nil
	}
	return &client.Destination{Storage: f.storage, Path: f.to}, nil
}

// taskFlags is what a command line says of a task that is to change.
type taskFlags struct {
	name    string
	files   []string
	to      destinationFlags
	seed    seedFlags
	options optionFlags
}

func (s *shell) setCommand() *cobra.Command {
	var f taskFlags
	c := &cobra.Command{
		Use:   "set ID",
		Short: "Change a task; what is left out stays",
		Long: "Change a task; what is left out stays.\n\n" +
			"Files can change until all data is loaded, the destination until they are delivered, seeding until it\n" +
			"has ended, limits at any time, other options while no downloader has the task.",
		Example: "  haul set 3f2a9c --limit 2M --files 0,2-5\n  haul set 3f2a9c --files all --option split=null\n" +
			"  haul set 3f2a9c --to films --seed-ratio 2",
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			req, err := f.request(c)
			if err != nil {
				return err
			}
			return s.set(c, args[0], req)
		},
	}
	c.Flags().StringVar(&f.name, "name", "", "another name")
	c.Flags().StringArrayVar(&f.files, "files", nil, filesHelp+"; all for all. See haul files")
	f.to.register(c)
	f.seed.register(c, "the group and the downloader")
	f.options.register(c, "an option for the downloader (null removes it)")
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
	if req.Destination, err = f.to.destination(c); err != nil {
		return nil, err
	}
	if req.Seed, err = f.seed.choice(c); err != nil {
		return nil, err
	}
	if req.Options, err = f.options.raw(); err != nil {
		return nil, err
	}
	if req.Name == nil && !req.Files.Given && req.Destination == nil && !req.Seed.Given && req.Options == nil {
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
