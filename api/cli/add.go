package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/sdk/errs"
)

// maxUpload keeps a slip, such as naming a film, from filling the memory. The
// server's own limit is lower.
const maxUpload = 64 << 20

// wanted is what the command line of add asks for.
type wanted struct {
	to, storage, node, downloader, onConflict string
	files                                     []string
	options                                   optionFlags
	seed                                      seedFlags
	wait, paused                              bool
}

func (s *shell) addCommand() *cobra.Command {
	var w wanted
	c := &cobra.Command{
		Use:   "add SOURCE…",
		Short: "Download something",
		Long: "Download something: a magnet link, a URL, or a .torrent file on this machine.\n\n" +
			"- reads a list of them from standard input, one a line.",
		Example: "  haul add https://example.org/some.iso --to isos\n" +
			"  haul add 'magnet:?xt=urn:btih:…' --wait\n" +
			"  haul add film.torrent --files 0,2-5 --limit 2M --paused\n" +
			"  haul add show.torrent --files '*.mkv' --files '!*sample*' --on-conflict skip --seed-ratio 2 --seed-time 7d",
		Args: cobra.MinimumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error { return s.add(c, args, &w) },
	}
	f := c.Flags()
	f.StringVar(&w.to, "to", "", "the folder in your home that the files go to")
	f.StringVar(&w.storage, "storage", "", "the storage that the files go to")
	f.StringVar(&w.node, "node", "", "the node to download on; haul chooses if left out")
	f.StringVar(&w.downloader, "downloader", "", "the downloader to use; haul chooses if left out")
	f.StringArrayVar(&w.files, "files", nil, filesHelp+"; all if left out")
	f.StringVar(&w.onConflict, "on-conflict", "", "what happens where a name is taken: rename, skip, overwrite or fail")
	w.seed.register(c, "")
	w.options.register(c, "an option for the downloader")
	w.options.registerLimits(c)
	f.BoolVar(&w.paused, "paused", false, "do not start before haul resume")
	f.BoolVar(&w.wait, "wait", false, "wait until the files are there; fail if a task fails or is held")
	return c
}

func (s *shell) add(c *cobra.Command, args []string, w *wanted) error {
	if w.wait && w.paused {
		return usagef("--wait would wait for ever for what is --paused")
	}
	req, err := w.request(c)
	if err != nil {
		return err
	}
	if args, err = s.readLists(args); err != nil {
		return err
	}
	sources, files, err := split(args)
	if err != nil {
		return err
	}
	api, err := s.client()
	if err != nil {
		return err
	}
	// With the key, a request whose answer was lost is safely sent again.
	if len(sources) > 0 {
		req.Sources = &sources
	}
	tasks, err := api.CreateTasks(c.Context(), *req, files, uuid.NewString())
	if err != nil {
		return named(err, sources, files)
	}
	if w.wait {
		return s.wait(c.Context(), api, tasks)
	}
	if s.format == formatJSON {
		return s.json(listed[client.Task]{tasks})
	}
	for i := range tasks {
		if err := s.say(nil, "%s  %s", tasks[i].ID, tasks[i].Name); err != nil {
			return err
		}
	}
	return nil
}

// named says which of several sources an error is about: the server numbers
// them, and nobody wants to count the lines of a list.
func named(err error, sources []client.Source, files []client.Upload) error {
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Fields) == 0 || len(sources)+len(files) < 2 {
		return err
	}
	var i int
	name := ""
	if _, err := fmt.Sscanf(e.Fields[0].Name, "sources[%d]", &i); err == nil && i < len(sources) {
		name = sources[i].URI
	} else if _, err := fmt.Sscanf(e.Fields[0].Name, "torrent[%d]", &i); err == nil && i < len(files) {
		name = files[i].Name
	}
	if name == "" {
		return err
	}
	about := *e
	about.Msg = fmt.Sprintf("%q: %s", name, errs.MessageOf(e))
	about.Fields = nil
	return &about
}

func (w *wanted) request(c *cobra.Command) (*client.CreateTasksRequest, error) {
	req := &client.CreateTasksRequest{Node: given(w.node), Downloader: given(w.downloader)}
	if w.to != "" || w.storage != "" {
		req.Destination = &client.Destination{Storage: w.storage, Path: w.to}
	}
	if w.paused {
		req.Paused = &w.paused
	}
	if w.onConflict != "" {
		policy := client.ConflictPolicy(w.onConflict)
		req.OnConflict = &policy
	}
	var err error
	if len(w.files) > 0 {
		if req.Files, err = parseFiles(w.files); err != nil {
			return nil, err
		}
	}
	if req.Seed, err = w.seed.choice(c); err != nil {
		return nil, err
	}
	req.Options, err = w.options.raw()
	return req, err
}

// readLists replaces "-" by the lines of the standard input.
func (s *shell) readLists(args []string) ([]string, error) {
	var all []string
	for _, arg := range args {
		if arg != "-" {
			all = append(all, arg)
			continue
		}
		lines := bufio.NewScanner(s.In)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			if line := strings.TrimSpace(lines.Text()); line != "" {
				all = append(all, line)
			}
		}
		if err := lines.Err(); err != nil {
			return nil, errs.Wrap(err, errs.InvalidRequest, "The list cannot be read: %v.", err).WithHint("Give one source a line.")
		}
	}
	if len(all) == 0 {
		return nil, usagef("the list has no sources")
	}
	return all, nil
}

// split tells files on this machine from what the server shall fetch.
func split(args []string) (sources []client.Source, files []client.Upload, err error) {
	for _, arg := range args {
		if !isLocal(arg) {
			sources = append(sources, client.Source{URI: arg})
			continue
		}
		content, err := readTorrent(arg)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, client.Upload{Name: filepath.Base(arg), Content: content})
	}
	return sources, files, nil
}

func isLocal(arg string) bool {
	if strings.Contains(arg, "://") || strings.HasPrefix(strings.ToLower(arg), "magnet:") {
		return false
	}
	if strings.EqualFold(filepath.Ext(arg), ".torrent") {
		return true
	}
	info, err := os.Stat(arg)
	return err == nil && info.Mode().IsRegular()
}

func readTorrent(path string) (content []byte, err error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, errs.Wrap(err, errs.NotFound, "There is no file %s.", path).WithHint("Check the path.")
	}
	if err == nil {
		defer func() { _ = f.Close() }() // it was only read
		content, err = io.ReadAll(io.LimitReader(f, maxUpload+1))
	}
	if err != nil {
		return nil, errs.Wrap(err, errs.InvalidRequest, "The file %s cannot be read.", path).WithHint("%v", err)
	}
	if len(content) > maxUpload {
		return nil, errs.New(errs.TorrentTooLarge, "The file %s is too large for a torrent.", path).
			WithHint("%s", fmt.Sprintf("A .torrent file is small; this one has more than %s.", size(maxUpload)))
	}
	return content, nil
}
