package nodes

import (
	"fmt"

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
	var p *knownPlugin
	if n != nil {
		seen := n.observedDownloader(d.ID)
		v.Health, v.Restarts, v.PluginPID = seen.Health, seen.Restarts, seen.PluginPID
		p = n.plugin(d.Plugin)
	}
	v.Settings, v.Options = p.redact(d)
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

// viewFor leaves out what is for admins alone: settings and paths tell of the
// inside of the network.
func (s *Service) viewFor(who *core.Identity, d *core.Downloader) *core.DownloaderView {
	v := s.view(d)
	if !who.IsAdmin() {
		v.Settings, v.PathMap = []byte("{}"), nil
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
		if n != nil {
			n.describe(&c, d)
		}
		if n == nil || !n.online() {
			c.Trouble = &core.Waiting{Code: errs.NodeOffline, Message: fmt.Sprintf("Node %q is offline.", s.NodeName(d.Node))}
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
	c.Sources, c.Capabilities, c.CheckOptions = p.Sources, p.Capabilities, p.checkOptions
	switch h := n.observedDownloader(d.ID).Health; h.State {
	case core.HealthDegraded, core.HealthFailed:
		c.Trouble = &core.Waiting{Code: h.Code, Message: fmt.Sprintf("Downloader %q: %s", d.Name, h.Message)}
	case core.HealthStarting, core.HealthUnknown, "":
		c.Trouble = &core.Waiting{Code: errs.PluginStarting, Message: fmt.Sprintf("The plugin of downloader %q is starting.", d.Name)}
	}
}
