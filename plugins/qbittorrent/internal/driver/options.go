package driver

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// optionsSchema describes what a user may set for a job, under the names of
// qBittorrent's torrents/add. Rates and seeding are limits of haul's.
const optionsSchema = `{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "Options of qBittorrent",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "sequentialDownload": {
      "type": "boolean",
      "title": "In order",
      "description": "Load the pieces from the first to the last, for players.",
      "default": false
    },
    "firstLastPiecePrio": {
      "type": "boolean",
      "title": "Ends first",
      "description": "Load the first and the last pieces of each file first, for players.",
      "default": false
    },
    "addToTopOfQueue": {
      "type": "boolean",
      "title": "Top of the queue",
      "description": "Put the torrent at the top of qBittorrent's own queue. Not known to qBittorrent before 4.5.",
      "default": false
    }
  }
}`

// reservedOptions are all other parameters of qBittorrent's torrents/add, and of
// its calls that change a torrent or the program itself: they set a path, a
// hook, a category (which carries paths) or a listener, they skip checks, or
// the driver needs them.
func reservedOptions() []string {
	return []string{
		// torrents/add
		"urls", "torrents", "fileurl", "cookie", "downloader", "savepath", "save_path", "downloadPath", "download_path",
		"useDownloadPath", "use_download_path", "autoTMM", "auto_tmm", "category", "tags", "rename", "root_folder",
		"contentLayout", "skip_checking", "seedMode", "stopped", "paused", "addPaused", "addStopped", "stopCondition",
		"forced", "forceStart", "upLimit", "dlLimit", "ratioLimit", "seedingTimeLimit", "inactiveSeedingTimeLimit",
		"shareLimitAction", "shareLimitsMode", "filePriorities", "filePrio", "superSeeding", "share_limit",
		"ssl_certificate", "ssl_private_key", "ssl_dh_params", "addTrackers", "trackers", "merge_trackers",
		// other calls about a torrent
		"hash", "hashes", "id", "location", "setLocation", "newPath", "oldPath", "renameFile", "renameFolder", "path",
		"deleteFiles", "priority",
		// app/setPreferences
		"autorun_enabled", "autorun_program", "autorun_on_torrent_added_enabled", "autorun_on_torrent_added_program",
		"temp_path", "temp_path_enabled", "scan_dirs", "export_dir", "export_dir_fin", "mail_notification_enabled",
		"web_ui_address", "web_ui_port", "web_ui_username", "web_ui_password", "web_ui_https_cert_path",
		"web_ui_https_key_path", "alternative_webui_path", "listen_port", "file_log_path", "python_executable_path",
		"proxy_ip", "proxy_port", "proxy_type", "proxy_username", "proxy_password",
	}
}

// userOptions are what users may set for a job.
type userOptions struct{ schema *schema.Schema }

func newUserOptions() (userOptions, error) {
	s, err := schema.Compile([]byte(optionsSchema))
	return userOptions{s}, err
}

// read checks options and puts them into the fields of torrents/add. It fails
// with errs.OptionNotAllowed and errs.InvalidOptions, naming the fields.
func (u userOptions) read(raw []byte) (map[string]string, error) {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil, nil
	}
	var values map[string]any
	if json.Unmarshal(raw, &values) != nil || values == nil {
		return nil, errs.New(errs.InvalidOptions, "The options are not a JSON object.").WithField("options", "must be an object")
	}
	reserved := reservedOptions()
	for key := range values {
		if downloader.IsReserved(reserved, key) {
			return nil, errs.New(errs.OptionNotAllowed, "The option %s may not be set.", strconv.Quote(key)).
				WithField("options."+key, "may not be set")
		}
	}
	if fields := schema.In("options", u.schema.Validate(raw)); len(fields) > 0 {
		err := errs.New(errs.InvalidOptions, "The options are not valid: %s %s.", fields[0].Name, fields[0].Message)
		err.Fields = fields
		return nil, err
	}
	out := map[string]string{}
	for key, value := range values {
		if on, ok := value.(bool); ok { // the schema has nothing else
			out[key] = strconv.FormatBool(on)
		}
	}
	return out, nil
}
