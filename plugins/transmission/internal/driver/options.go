package driver

import (
	"bytes"
	"encoding/json"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// sequentialRPC is the interface of the first version that loads in order.
const sequentialRPC = 18

const optionsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Transmission",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "bandwidthPriority": {
      "type": "integer",
      "title": "Priority",
      "description": "Which torrents get bandwidth first: -1 is low, 0 is normal, 1 is high.",
      "minimum": -1,
      "maximum": 1,
      "default": 0
    },
    "honorsSessionLimits": {
      "type": "boolean",
      "title": "Keep to the limits of Transmission",
      "description": "Whether Transmission's own speed limits for all torrents together hold for this one.",
      "default": true
    },
    "peer-limit": {
      "type": "integer",
      "title": "Peers",
      "description": "How many peers it is connected to at most.",
      "minimum": 1,
      "maximum": 1000
    },
    "sequential_download": {
      "type": "boolean",
      "title": "In order",
      "description": "Load the pieces in their order. Needs Transmission 4.1 or newer.",
      "default": false
    }
  }
}`

// options are what optionsSchema describes; nil leaves it to the daemon.
type options struct {
	BandwidthPriority   *int  `json:"bandwidthPriority"`
	HonorsSessionLimits *bool `json:"honorsSessionLimits"`
	PeerLimit           *int  `json:"peer-limit"`
	SequentialDownload  *bool `json:"sequential_download"`
}

// reservedOptions set a path, make the daemon fetch or run something, mark a
// torrent, or are haul's own to set. The rates are not among them, as haul
// knows options of those names; they are unknown here like any other word.
func reservedOptions() []string {
	return []string{
		// torrent-add
		"cookies", "download-dir", "filename", "metainfo", "paused", "labels",
		// torrent-set
		"ids", "location", "group", "queuePosition", "files-wanted", "files-unwanted",
		"priority-high", "priority-low", "priority-normal",
		"trackerAdd", "trackerRemove", "trackerReplace", "trackerList",
		"seedRatioLimit", "seedRatioMode", "seedIdleLimit", "seedIdleMode",
		"downloadLimited", "uploadLimited",
		// torrent-set-location, torrent-rename-path, torrent-remove
		"move", "path", "name", "delete-local-data",
		// session-set
		"incomplete-dir", "incomplete-dir-enabled", "watch-dir", "watch-dir-enabled", "blocklist-url", "default-trackers",
		"script-torrent-added-enabled", "script-torrent-added-filename",
		"script-torrent-done-enabled", "script-torrent-done-filename",
		"script-torrent-done-seeding-enabled", "script-torrent-done-seeding-filename",
		"rpc-bind-address", "rpc-port", "rpc-url", "rpc-username", "rpc-password", "rpc-whitelist", "rpc-host-whitelist",
		"rpc-authentication-required", "peer-port", "bind-address-ipv4", "bind-address-ipv6", "config-dir",
	}
}

// parseOptions checks what haul has checked by the schema already: a driver
// shall not have to believe that.
func parseOptions(raw []byte) (options, error) {
	var o options
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, nil
	}
	if err := refuseReserved(raw); err != nil {
		return o, err
	}
	checker, err := schema.Compile([]byte(optionsSchema))
	if err != nil {
		return o, err
	}
	if wrong := checker.Validate(raw); len(wrong) > 0 {
		e := errs.New(errs.InvalidOptions, "The options are not valid.").
			WithHint("There are bandwidthPriority, honorsSessionLimits, peer-limit and sequential_download.")
		e.Fields = schema.In("options", wrong)
		return o, e
	}
	return o, json.Unmarshal(raw, &o)
}

func refuseReserved(raw []byte) error {
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keys); err != nil {
		return errs.New(errs.InvalidOptions, "The options are not one JSON object.")
	}
	for key := range keys {
		if downloader.IsReserved(reservedOptions(), key) {
			return errs.New(errs.OptionNotAllowed, "The option %q may not be set.", key).WithField("options."+key, "may not be set")
		}
	}
	return nil
}

// arguments are those of torrent-set. The field that a daemon does not know it
// would ignore without a word.
func (o options) arguments(rpc int) (map[string]any, error) {
	args := map[string]any{}
	if o.BandwidthPriority != nil {
		args["bandwidthPriority"] = *o.BandwidthPriority
	}
	if o.HonorsSessionLimits != nil {
		args["honorsSessionLimits"] = *o.HonorsSessionLimits
	}
	if o.PeerLimit != nil {
		args["peer-limit"] = *o.PeerLimit
	}
	if o.SequentialDownload == nil {
		return args, nil
	}
	if rpc < sequentialRPC && *o.SequentialDownload {
		return nil, errs.New(errs.InvalidOptions, "This Transmission cannot load in order; 4.1 and newer can.").
			WithField("options.sequential_download", "needs Transmission 4.1 or newer")
	}
	if rpc >= sequentialRPC {
		args["sequential_download"] = *o.SequentialDownload
	}
	return args, nil
}
