package driver

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"

	"github.com/rclone/rclone/fs"

	"github.com/haul-dl/haul/sdk/schema"
)

type attributes = map[string]any

var (
	// secretName matches options that hold a secret though rclone does not hide
	// them as passwords.
	secretName = regexp.MustCompile(`(^|_)(pass|password|passphrase|secret|token|key|2fa|mnemonic|cookies|headers|authorization|session_id)$|secret|key_pem|master_keys|sas_url|connection_string|access_grant|_credentials$`)
	// harmlessKey matches those that secretName matches, too, by their name only.
	harmlessKey = regexp.MustCompile(`^(public_key|resource_key|access_key|application_credential_(id|name))$`)
	// endpointName matches options that say where secrets are sent.
	endpointName = regexp.MustCompile(`(^|_)(endpoint|host|hostname|port|url|address|namenode|domain|site|proxy|remote|upstreams|unix_socket|provider|host_keys|known_hosts_file|no_check_certificate)$`)
)

// settingsSchema describes the settings. The options are those of all backends
// together, so that each is known for a secret or an endpoint; which of them go
// with a type is checked when the storage is configured.
func settingsSchema() []byte {
	text := func(title, description string, most int) attributes {
		return attributes{"type": "string", "title": title, "description": description, "maxLength": most}
	}
	mark := func(o attributes, key string) attributes {
		o[key] = true
		return o
	}
	kind := text("Type", "Without a configuration of rclone: the type of the storage, by rclone's name.", 64)
	kind["enum"] = typeNames()
	raw, err := json.Marshal(attributes{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "rclone",
		"description":          "Either a configuration of rclone (config or config_file) with the remote to use, or a type with its options.",
		"type":                 "object",
		"additionalProperties": false,
		"properties": attributes{
			"remote":          mark(text("Remote", "The remote and a path in it, as rclone takes it: \"name:path\".", 4096), schema.EndpointKeyword),
			"config":          mark(text("Configuration", "The contents of an rclone.conf.", 1<<18), "writeOnly"),
			"config_file":     mark(text("Configuration file", "Absolute path of an rclone.conf on the node; it is only read.", 4096), schema.EndpointKeyword),
			"config_password": mark(text("Password of the configuration", "For an rclone.conf that is encrypted.", 1024), "writeOnly"),
			"type":            mark(kind, schema.EndpointKeyword),
			"path":            text("Path", "With a type: the folder, or the bucket and a folder in it.", 4096),
			"options": attributes{
				"type":                 "object",
				"title":                "Options",
				"description":          "With a type: rclone's options of it, such as \"endpoint\" or \"host\". Passwords are given as they are, not obscured.",
				"additionalProperties": false,
				"properties":           optionProperties(),
			},
		},
	})
	if err != nil {
		panic(err) // of constants and names
	}
	return raw
}

func typeNames() []string {
	var names []string
	for _, info := range fs.Registry {
		if !isWrapper(info.Name) {
			names = append(names, info.Name)
		}
	}
	slices.Sort(names)
	return names
}

func optionProperties() attributes {
	known := map[string]attributes{}
	for _, info := range fs.Registry {
		for i := range info.Options {
			o := &info.Options[i]
			p, ok := known[o.Name]
			if !ok {
				p = attributes{"type": []string{"string", "number", "boolean"}}
				known[o.Name] = p
			}
			switch {
			case isSecret(o):
				p["writeOnly"] = true
			case endpointName.MatchString(o.Name):
				p[schema.EndpointKeyword] = true
			}
		}
	}
	out := attributes{}
	for name := range maps.Keys(known) {
		out[name] = known[name]
	}
	return out
}

func isSecret(o *fs.Option) bool {
	return o.IsPassword || secretName.MatchString(o.Name) && !harmlessKey.MatchString(o.Name)
}
