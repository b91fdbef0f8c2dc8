package cli

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/client"
)

// The options that mean the same at every downloader.
const (
	optionDownloadLimit = "download_limit"
	optionUploadLimit   = "upload_limit"
)

// maxListed keeps a slip such as 0-1000000000 from filling the memory.
const maxListed = 100_000

// parseFiles reads a list of indexes such as "0,2-5"; "all" wants all.
func parseFiles(list string) (client.FileSelection, error) {
	if strings.TrimSpace(list) == "all" {
		return client.FileSelection{Given: true}, nil
	}
	var out []int
	for part := range strings.SplitSeq(list, ",") {
		from, to, ok := indexRange(strings.TrimSpace(part))
		if !ok {
			return client.FileSelection{}, usagef("%q is not a list of files: use numbers from 0 as in 0,2-5, or all", list)
		}
		if to-from >= maxListed-len(out) {
			return client.FileSelection{}, usagef("the list of files has more than %d", maxListed)
		}
		for i := from; i <= to; i++ {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return client.FileSelection{Given: true, Indexes: slices.Compact(out)}, nil
}

// indexRange reads "3" or "3-5".
func indexRange(s string) (from, to int, ok bool) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	from, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0, 0, false
	}
	to, err = strconv.Atoi(strings.TrimSpace(last))
	return from, to, err == nil && from >= 0 && from <= to && to <= math.MaxInt32
}

// formatFiles writes indexes as parseFiles reads them.
func formatFiles(files []int) string {
	var parts []string
	for i := 0; i < len(files); {
		j := i
		for j+1 < len(files) && files[j+1] == files[j]+1 {
			j++
		}
		part := strconv.Itoa(files[i])
		if j > i {
			part += "-" + strconv.Itoa(files[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// rateUnits are the ends that a rate may have, longer ones first.
var rateUnits = []struct {
	end   string
	bytes float64
}{
	{"kib", 1 << 10},
	{"mib", 1 << 20},
	{"gib", 1 << 30},
	{"kb", 1e3},
	{"mb", 1e6},
	{"gb", 1e9},
	{"k", 1 << 10},
	{"m", 1 << 20},
	{"g", 1 << 30},
	{"b", 1},
}

// parseRate reads a rate such as "500k" or "1.5MiB/s" as bytes per second; 0
// and "none" are no limit.
func parseRate(text string) (int64, error) {
	wrong := usagef("%q is not a rate: use bytes per second, as in 500k, 1.5M or 2MiB/s; 0 is no limit", text)
	s := strings.ToLower(strings.TrimSuffix(strings.TrimSpace(text), "/s"))
	if s == "none" {
		return 0, nil
	}
	factor := 1.0
	for _, unit := range rateUnits {
		if digits, ok := strings.CutSuffix(s, unit.end); ok {
			s, factor = strings.TrimSpace(digits), unit.bytes
			break
		}
	}
	if strings.Trim(s, "0123456789.") != "" {
		return 0, wrong // neither a sign nor an exponent nor a name of a number
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || n*factor > 1<<53 {
		return 0, wrong
	}
	return int64(math.Round(n * factor)), nil
}

// optionFlags are the options for a downloader on a command line.
type optionFlags struct {
	pairs, files     []string
	download, upload string
}

const optionHelp = "as KEY=VALUE; may be repeated. A VALUE that is JSON (4, true, \"4\", null) is taken so, any other as text. See haul plugin show"

func (f *optionFlags) register(c *cobra.Command, what string) {
	c.Flags().StringArrayVar(&f.pairs, "option", nil, what+", "+optionHelp)
	c.Flags().StringArrayVar(&f.files, "option-file", nil, what+" whose value is text in a file, as KEY=PATH: for secrets")
}

func (f *optionFlags) registerLimits(c *cobra.Command) {
	c.Flags().StringVar(&f.download, "limit", "", "the download rate at most, such as 500k or 2M; 0 is no limit")
	c.Flags().StringVar(&f.upload, "upload-limit", "", "the upload rate at most")
}

// values puts together what the flags say; nil where they say nothing.
func (f *optionFlags) values() (map[string]any, error) {
	all := map[string]any{}
	for _, pair := range f.pairs {
		key, value, err := cut(pair)
		if err != nil {
			return nil, err
		}
		all[key] = optionValue(value)
	}
	for _, pair := range f.files {
		key, text, err := readPair(pair)
		if err != nil {
			return nil, err
		}
		all[key] = text
	}
	for key, text := range map[string]string{optionDownloadLimit: f.download, optionUploadLimit: f.upload} {
		if text == "" {
			continue
		}
		limit, err := parseRate(text)
		if err != nil {
			return nil, err
		}
		all[key] = limit
	}
	if len(all) == 0 {
		return nil, nil
	}
	return all, nil
}

// raw is values as JSON.
func (f *optionFlags) raw() (*json.RawMessage, error) {
	all, err := f.values()
	if all == nil || err != nil {
		return nil, err
	}
	return encode(all)
}

func optionValue(text string) any {
	if json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return text
}

// parsePathMap reads pairs of DAEMON=NODE. One empty pair stands for no map.
func parsePathMap(pairs []string) (*[]client.PathMapping, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	out := []client.PathMapping{}
	if len(pairs) == 1 && pairs[0] == "" {
		return &out, nil
	}
	for _, pair := range pairs {
		daemon, node, ok := strings.Cut(pair, "=")
		if !ok || daemon == "" || node == "" {
			return nil, usagef("%q is not DAEMON=NODE: the folder's path as the daemon sees it, and as its node does", pair)
		}
		out = append(out, client.PathMapping{Daemon: daemon, Node: node})
	}
	return &out, nil
}
