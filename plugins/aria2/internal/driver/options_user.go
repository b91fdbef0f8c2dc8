package driver

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// userOptions are what users may set for a job.
type userOptions struct{ schema *schema.Schema }

func newUserOptions() (userOptions, error) {
	s, err := schema.Compile([]byte(optionsSchema))
	return userOptions{s}, err
}

// read checks options and puts them into aria2's words. It fails with
// errs.OptionNotAllowed and errs.InvalidOptions, naming the fields.
func (u userOptions) read(req downloader.AddRequest) (options, error) {
	if len(bytes.TrimSpace(req.Options)) == 0 {
		return nil, nil
	}
	var values map[string]any
	if json.Unmarshal(req.Options, &values) != nil || values == nil {
		return nil, errs.New(errs.InvalidOptions, "The options are not a JSON object.").WithField("options", "must be an object")
	}
	reserved := reservedOptions()
	for key := range values {
		if downloader.IsReserved(reserved, key) {
			return nil, errs.New(errs.OptionNotAllowed, "The option %s may not be set.", strconv.Quote(key)).
				WithField("options."+key, "may not be set")
		}
	}
	if fields := schema.In("options", u.schema.Validate(req.Options)); len(fields) > 0 {
		err := errs.New(errs.InvalidOptions, "The options are not valid: %s %s.", fields[0].Name, fields[0].Message)
		err.Fields = fields
		return nil, err
	}
	if _, has := values["checksum"]; has && !isFile(req.Source.Kind) {
		return nil, errs.New(errs.InvalidOptions, "A checksum is for a single file by HTTP or FTP.").
			WithField("options.checksum", "is for a single file by HTTP or FTP")
	}
	return inAria2Words(values), nil
}

func isFile(k downloader.SourceKind) bool {
	return k == downloader.SourceHTTP || k == downloader.SourceFTP
}

// inAria2Words makes strings of values that the schema has let through.
func inAria2Words(values map[string]any) options {
	out := options{}
	for key, value := range values {
		switch v := value.(type) {
		case string:
			out[key] = v
		case bool:
			out[key] = strconv.FormatBool(v)
		case float64: // an integer within the schema's bounds
			out[key] = strconv.FormatInt(int64(v), 10)
		case []any:
			out[key] = slices.Clone(v)
		}
	}
	if out["checksum"] != nil {
		out["check-integrity"] = "true"
	}
	return out
}
