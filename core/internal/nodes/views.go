package nodes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/errs"
)

// view joins a downloader with what its node knows, without secrets.
func (s *Service) view(d *core.Downloader) *core.DownloaderView {
	v := &core.DownloaderView{Downloader: *d, NodeName: s.NodeName(d.Node), Active: s.active()[d.ID]}
	s.mu.RLock()
	n := s.nodes[d.Node]
	s.mu.RUnlock()
	var schema []byte
	if n != nil {
		seen := n.observedDownloader(d.ID)
		v.Health, v.Restarts, v.PluginPID = seen.Health, seen.Restarts, seen.PluginPID
		if p := n.plugin(d.Plugin); p != nil {
			schema = p.SettingsSchema
		}
	}
	v.Settings = redactSettings(schema, d.Settings)
	switch {
	case !d.Enabled:
		v.Health = core.Health{State: core.HealthDisabled, Code: errs.DownloaderDisabled, Message: errs.DownloaderDisabled.Title()}
	case n == nil || !n.online():
		v.Health = core.Health{State: core.HealthUnknown, Code: errs.NodeOffline, Message: errs.NodeOffline.Title()}
	case v.Health.State == "":
		v.Health.State = core.HealthUnknown
	}
	return v
}

// viewFor leaves out what is for admins alone: settings tell of the inside of
// the network.
func (s *Service) viewFor(who *core.Identity, d *core.Downloader) *core.DownloaderView {
	v := s.view(d)
	if !who.IsAdmin() {
		v.Settings = []byte("{}")
	}
	return v
}

// Views returns all downloaders with what their nodes know.
func (s *Service) Views() []core.DownloaderView {
	downloaders := s.sorted()
	out := make([]core.DownloaderView, 0, len(downloaders))
	for _, d := range downloaders {
		out = append(out, *s.view(d))
	}
	return out
}

// Candidates returns all downloaders as the scheduler sees them, without the
// number of active jobs.
func (s *Service) Candidates() []schedule.Candidate {
	downloaders := s.sorted()
	out := make([]schedule.Candidate, 0, len(downloaders))
	for _, d := range downloaders {
		c := schedule.Candidate{
			ID: d.ID, Node: d.Node, Name: d.Name, Enabled: d.Enabled, MaxActive: d.MaxActive, Weight: d.Weight,
		}
		s.mu.RLock()
		n := s.nodes[d.Node]
		s.mu.RUnlock()
		if n == nil || !n.online() {
			c.Trouble = &core.Waiting{Code: errs.NodeOffline, Message: fmt.Sprintf("Node %q is offline.", s.NodeName(d.Node))}
		} else {
			n.describe(&c, d)
		}
		out = append(out, c)
	}
	return out
}

// describe fills in what the node knows of a candidate.
func (n *node) describe(c *schedule.Candidate, d *core.Downloader) {
	p := n.plugin(d.Plugin)
	switch {
	case p == nil:
		c.Trouble = &core.Waiting{Code: errs.PluginMissing, Message: fmt.Sprintf("Plugin %q of downloader %q is not installed.", d.Plugin, d.Name)}
		return
	case p.Failure != nil:
		c.Trouble = &core.Waiting{Code: p.Failure.Code, Message: p.Failure.Message}
		return
	}
	c.Sources = p.Sources
	switch h := n.observedDownloader(d.ID).Health; h.State {
	case core.HealthDegraded, core.HealthFailed:
		c.Trouble = &core.Waiting{Code: h.Code, Message: fmt.Sprintf("Downloader %q: %s", d.Name, h.Message)}
	case core.HealthStarting, core.HealthUnknown, "":
		c.Trouble = &core.Waiting{Code: errs.PluginStarting, Message: fmt.Sprintf("The plugin of downloader %q is starting.", d.Name)}
	}
}

// Plugins returns the plugins of all nodes, by name.
func (s *Service) Plugins(ctx context.Context) ([]core.PluginView, error) {
	if _, err := core.IdentityFrom(ctx); err != nil {
		return nil, err
	}
	var out []core.PluginView
	for _, n := range s.allNodes() {
		for _, p := range n.observedPlugins() {
			out = append(out, core.PluginView{ObservedPlugin: p, Node: n.ID, NodeName: n.Name, Instances: s.instances(n, p.Name)})
		}
	}
	slices.SortFunc(out, func(a, b core.PluginView) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Path, b.Path))
	})
	return out, nil
}

// Rescan makes all nodes look for plugins again.
func (s *Service) Rescan(ctx context.Context) ([]core.PluginView, error) {
	if _, err := core.Require(ctx, core.PermissionAdmin); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var failed error
	for _, n := range s.allNodes() {
		failed = errors.Join(failed, n.rescan(ctx))
	}
	if failed != nil {
		return nil, failed
	}
	return s.Plugins(ctx)
}

func (n *node) rescan(ctx context.Context) error {
	session, err := n.current()
	if err != nil {
		return err
	}
	plugins, err := session.RescanPlugins(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.plugins = plugins
	return nil
}

func (s *Service) allNodes() []*node {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]*node, 0, len(s.nodes))
	for _, n := range s.nodes {
		out = append(out, n)
	}
	return out
}

// instances returns the processes of a plugin on a node.
func (s *Service) instances(n *node, plugin string) []core.PluginInstance {
	var out []core.PluginInstance
	for _, d := range s.sorted() {
		if d.Node != n.ID || d.Plugin != plugin {
			continue
		}
		v := s.view(d)
		out = append(out, core.PluginInstance{
			Downloader: d.ID, Name: d.Name, State: v.Health.State, PID: v.PluginPID,
			Restarts: v.Restarts, Version: n.observedDownloader(d.ID).PluginVersion,
		})
	}
	return out
}
