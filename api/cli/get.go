package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

// getting is one run of get.
type getting struct {
	shell      *shell
	api        *client.Client
	task       string
	output     string
	all, force bool
}

func (s *shell) getCommand() *cobra.Command {
	g := getting{shell: s}
	c := &cobra.Command{
		Use:   "get ID [INDEX]",
		Short: "Fetch the files of a task from the server",
		Long: "Fetch the files of a task from the server: the one with the index, the only\n" +
			"one if there is but one, or with --all all of them with their folders.\n\n" +
			"A file shows only when it is whole, and none is overwritten without --force.",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error { return g.run(c.Context(), args) },
	}
	f := c.Flags()
	f.StringVar(&g.output, "output", "", "the file, or existing folder, to write to; - is the standard output")
	f.BoolVar(&g.all, "all", false, "fetch all files")
	f.BoolVarP(&g.force, "force", "f", false, "overwrite what exists")
	return c
}

func (g *getting) run(ctx context.Context, args []string) error {
	if g.all && (len(args) > 1 || g.output == "-") {
		return usagef("--all goes neither with an INDEX nor with --output -")
	}
	var err error
	if g.api, err = g.shell.client(); err != nil {
		return err
	}
	if g.task, err = resolveTask(ctx, g.api, args[0]); err != nil {
		return err
	}
	files, err := g.choose(ctx, args[1:])
	if err != nil {
		return err
	}
	if g.output == "-" {
		return g.print(ctx, files[0])
	}
	saved := []savedFile{}
	for _, f := range files {
		path, err := g.save(ctx, f)
		if err != nil {
			return err
		}
		saved = append(saved, savedFile{Index: f.Index, Path: path, Size: f.Size})
		if g.shell.format == formatTable {
			if err := g.shell.say(nil, "%s  %s", path, size(f.Size)); err != nil {
				return err
			}
		}
	}
	if g.shell.format == formatJSON {
		return g.shell.json(listed[savedFile]{saved})
	}
	return nil
}

// savedFile is what a script learns of a file that was fetched.
type savedFile struct {
	Index int    `json:"index"`
	Path  string `json:"path"`
	Size  int64  `json:"size"`
}

func (g *getting) choose(ctx context.Context, index []string) ([]client.File, error) {
	list, err := g.api.TaskFiles(ctx, g.task)
	if err != nil {
		return nil, err
	}
	files := list.Items
	if len(files) == 0 {
		return nil, errs.New(errs.NotDelivered, "The task has no files yet.")
	}
	if g.all {
		return files, nil
	}
	if len(index) == 0 {
		if len(files) > 1 {
			return nil, usagef("the task has %d files: give an INDEX (see haul files), or --all", len(files))
		}
		return files, nil
	}
	n, err := strconv.Atoi(index[0])
	if err != nil {
		return nil, usagef("%q is no index", index[0])
	}
	for _, f := range files {
		if f.Index == n {
			return []client.File{f}, nil
		}
	}
	return nil, errs.New(errs.NotFound, "The task has no file %d.", n).WithHint("See haul files.")
}

// print writes a file to the standard output.
func (g *getting) print(ctx context.Context, f client.File) error {
	content, err := g.api.OpenFile(ctx, g.task, f.Index)
	if err != nil {
		return err
	}
	defer func() { _ = content.Close() }() // it was only read
	if _, err := io.Copy(g.shell.Out, content); err != nil {
		return cutOff(err, f)
	}
	return nil
}

// save writes a file to where it belongs, and returns where that is.
func (g *getting) save(ctx context.Context, f client.File) (string, error) {
	dir, name := g.place(f)
	target, err := openTarget(dir, name, g.force)
	if err != nil {
		return "", err
	}
	defer target.discard()
	content, err := g.api.OpenFile(ctx, g.task, f.Index)
	if err != nil {
		return "", err
	}
	defer func() { _ = content.Close() }() // it was only read
	var dst io.Writer = target.temp
	if terminal(g.shell.Err) != nil {
		bar := progressbar.NewOptions64(f.Size, progressbar.OptionSetWriter(g.shell.Err), progressbar.OptionShowBytes(true),
			progressbar.OptionUseIECUnits(true), progressbar.OptionSetDescription(clean(shorten(name, 30))),
			progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth())
		dst = io.MultiWriter(dst, bar)
		defer func() { _ = bar.Exit() }()
	}
	if _, err := io.Copy(dst, content); err != nil {
		return "", cutOff(err, f)
	}
	return filepath.Join(dir, name), target.commit()
}

// place returns the folder, and the path below it, that a file goes to.
func (g *getting) place(f client.File) (dir, name string) {
	path := filepath.FromSlash(f.Path)
	if g.all {
		return orHere(g.output), path
	}
	name = filepath.Base(path)
	if g.output == "" {
		return ".", name
	}
	if info, err := os.Stat(g.output); err == nil && info.IsDir() {
		return g.output, name
	}
	return orHere(filepath.Dir(g.output)), filepath.Base(g.output)
}

func orHere(dir string) string {
	if dir == "" {
		return "."
	}
	return dir
}

func cutOff(err error, f client.File) error {
	return errs.Wrap(err, errs.Unavailable, "The file %s did not arrive whole.", f.Path).
		WithHint("Try again: %s.", fmt.Sprint(err))
}
