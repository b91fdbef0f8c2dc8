package rest

import (
	"cmp"
	"encoding/json"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

func downloaderOf(v *core.DownloaderView) apigen.Downloader {
	return apigen.Downloader{
		ID: string(v.ID), Name: v.Name, Node: named(v.NodeName, v.Node), Plugin: v.Plugin, Enabled: v.Enabled,
		Settings: jsonObject(v.Settings), Options: jsonObject(v.Options), PathMap: pathMapOf(v.PathMap),
		Seed: seedOf(v.Seed), MaxActive: v.MaxActive, Weight: v.Weight, PollInterval: v.PollInterval,
		Health: apigen.DownloaderHealth{
			State: healthStateOf(v.Health.State), Code: optional(string(v.Health.Code)),
			Message: optional(v.Health.Message), Version: optional(v.Health.Version),
			CheckedAt: optionalTime(&v.Health.CheckedAt),
		},
		Active: v.Active, Restarts: v.Restarts, PluginPid: optional(v.PluginPID), CreatedAt: v.CreatedAt.UTC(),
	}
}

// jsonObject returns an empty object for none.
func jsonObject(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("{}")
	}
	return raw
}

func pathMapOf(m []core.PathMapping) apigen.PathMap {
	out := make(apigen.PathMap, len(m))
	for i, entry := range m {
		out[i] = apigen.PathMapping{Daemon: entry.Daemon, Node: entry.Node}
	}
	return out
}

// pathMap returns nil for one that was not given.
func pathMap(m *apigen.PathMap) *[]core.PathMapping {
	if m == nil {
		return nil
	}
	out := make([]core.PathMapping, len(*m))
	for i, entry := range *m {
		out[i] = core.PathMapping{Daemon: entry.Daemon, Node: entry.Node}
	}
	return &out
}

func healthStateOf(s core.HealthState) apigen.HealthState {
	return apigen.HealthState(cmp.Or(s, core.HealthUnknown))
}

func testOf(r *downloader.TestResult) apigen.TestResultJSONResponse {
	checks := make([]apigen.TestCheck, len(r.Checks))
	for i, c := range r.Checks {
		checks[i] = apigen.TestCheck{Name: c.Name, Ok: c.Err == nil, Message: c.Message}
		if c.Err == nil {
			continue
		}
		checks[i].Code = optional(string(errs.CodeOf(c.Err)))
		checks[i].Hint = optional(errs.HintOf(c.Err))
		checks[i].Message = cmp.Or(c.Message, errs.MessageOf(c.Err))
	}
	return apigen.TestResultJSONResponse{Ok: r.OK(), Version: optional(r.Version), Checks: checks}
}

func pluginsOf(views []core.PluginView) apigen.PluginListJSONResponse {
	items := make([]apigen.Plugin, len(views))
	for i := range views {
		items[i] = pluginOf(&views[i])
	}
	return apigen.PluginListJSONResponse{Items: items}
}

func pluginOf(v *core.PluginView) apigen.Plugin {
	out := apigen.Plugin{
		Name: v.Name, Kind: apigen.PluginKind(cmp.Or(v.Kind, core.PluginDownloader)), DisplayName: cmp.Or(v.DisplayName, v.Name), Version: optional(v.Version), Node: named(v.NodeName, v.Node),
		Active: v.Active, Path: v.Path, Sha256: v.SHA256, ReservedOptions: append([]string{}, v.ReservedOptions...), Capabilities: texts(v.Capabilities),
		Sources: make([]apigen.SourceKind, len(v.Sources)),
		Managed: v.Managed, ManagedHint: optional(v.ManagedHint), Error: failureOf(v.Failure),
		Instances: make([]apigen.PluginInstance, len(v.Instances)),
	}
	for i, kind := range v.Sources {
		out.Sources[i] = apigen.SourceKind(kind)
	}
	for i, in := range v.Instances {
		out.Instances[i] = apigen.PluginInstance{
			Downloader: string(in.Downloader), Name: in.Name, State: healthStateOf(in.State),
			Pid: optional(in.PID), Restarts: in.Restarts, Version: optional(in.Version),
		}
	}
	if len(v.SettingsSchema) > 0 {
		schema := json.RawMessage(v.SettingsSchema)
		out.SettingsSchema = &schema
	}
	if len(v.OptionsSchema) > 0 {
		schema := json.RawMessage(v.OptionsSchema)
		out.OptionsSchema = &schema
	}
	return out
}
