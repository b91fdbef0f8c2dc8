package cli

import (
	"encoding/json"
	"math"
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
	c.Flags().StringArrayVar(&f.files, "option-file", nil, what+", whose value is the text of a file, as KEY=PATH: for secrets")
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
