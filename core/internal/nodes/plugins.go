package nodes

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/options"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// maxVerdicts is how many answers on options are remembered of a plugin.
const maxVerdicts = 1024

// knownPlugin is a plugin that a node has found, with its schemas compiled.
type knownPlugin struct {
	core.ObservedPlugin
	settings *schema.Schema // nil where the plugin has no schema, or a broken one
	rules    *options.Rules // nil where the plugin's options cannot be read

	mu       sync.Mutex       // guards verdicts
	verdicts map[string]error // what was found of options, since the scheduler asks often
}

// newPlugin compiles what the plugin says of itself. One that does not compile
// cannot be used.
func newPlugin(seen *core.ObservedPlugin, now time.Time) *knownPlugin {
	p := &knownPlugin{ObservedPlugin: *seen, verdicts: map[string]error{}}
	if p.Failure != nil {
		return p
	}
	var rules *options.Rules
	var err error
	if p.Kind != core.PluginStorage {
		rules, err = options.NewRules(&p.Description)
	}
	if err == nil && len(p.SettingsSchema) > 0 {
		if p.settings, err = schema.Compile(p.SettingsSchema); err != nil {
			err = errs.Wrap(err, errs.PluginIncompatible, "The settings schema of plugin %q is not valid.", p.Name)
		}
	}
	if err != nil {
		p.Failure = core.NewFailure(err, now)
		return p
	}
	p.rules = rules
	return p
}

// newPlugins compiles a report, and keeps of the last one what is as it was.
func newPlugins(last []*knownPlugin, seen []core.ObservedPlugin, now time.Time) []*knownPlugin {
	out := make([]*knownPlugin, len(seen))
	for i := range seen {
		same := slices.IndexFunc(last, func(p *knownPlugin) bool { return reflect.DeepEqual(p.ObservedPlugin, seen[i]) })
		if same >= 0 {
			out[i] = last[same]
			continue
		}
		out[i] = newPlugin(&seen[i], now)
	}
	return out
}

// checkOptions says what is wrong with options.
func (p *knownPlugin) checkOptions(raw string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if verdict, known := p.verdicts[raw]; known {
		return verdict
	}
	verdict := p.rules.Check([]byte(raw))
	if len(p.verdicts) >= maxVerdicts {
		clear(p.verdicts)
	}
	p.verdicts[raw] = verdict
	return verdict
}

// observedPlugins returns the plugins that the node last reported.
func (n *node) observedPlugins() []*knownPlugin {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.plugins)
}

// plugin returns the version of a downloader's plugin that is in use, or nil.
func (n *node) plugin(name string) *knownPlugin { return n.pluginOfKind(core.PluginDownloader, name) }

// pluginOfKind returns the version of a plugin that is in use, or nil. Of those
// that the node has not marked so, one that works comes first.
func (n *node) pluginOfKind(kind core.PluginKind, name string) *knownPlugin {
	var found *knownPlugin
	for _, p := range n.observedPlugins() {
		if p.Kind == kind && p.Name == name && (found == nil || p.rank() > found.rank()) {
			found = p
		}
	}
	return found
}

func (p *knownPlugin) rank() int {
	switch {
	case p.Active:
		return 2
	case p.Failure == nil:
		return 1
	}
	return 0
}

// Plugins returns the plugins of all nodes, by name.
func (s *Service) Plugins(ctx context.Context) ([]core.PluginView, error) {
	if _, err := core.IdentityFrom(ctx); err != nil {
		return nil, err
	}
	var out []core.PluginView
	for _, n := range s.allNodes() {
		for _, p := range n.observedPlugins() {
			v := core.PluginView{ObservedPlugin: p.ObservedPlugin, Node: n.ID, NodeName: n.Name, Instances: s.instances(n, p)}
			if p.rules != nil {
				v.OptionsSchema = p.rules.Schema()
			}
			v.Active = p.Failure == nil && n.pluginOfKind(p.Kind, p.Name) == p
			out = append(out, v)
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
	found, err := session.RescanPlugins(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.plugins = newPlugins(n.plugins, found, n.service.now())
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

// instances returns the processes of a plugin on a node: of several versions,
// those that run this one, and where nothing runs those that would.
func (s *Service) instances(n *node, p *knownPlugin) []core.PluginInstance {
	if p.Kind == core.PluginStorage {
		return s.storageInstances(n, p)
	}
	var out []core.PluginInstance
	for _, d := range s.sorted() {
		if d.Node != n.ID || d.Plugin != p.Name {
			continue
		}
		running := n.observedDownloader(d.ID).PluginVersion
		if n.versionOf(core.PluginDownloader, p.Name, running) != p {
			continue
		}
		v := s.view(d)
		out = append(out, core.PluginInstance{
			Downloader: d.ID, Name: d.Name, State: v.Health.State, PID: v.PluginPID,
			Restarts: v.Restarts, Version: running,
		})
	}
	return out
}

// versionOf returns the plugin of a version, or the one in use where it is not
// there (any more).
func (n *node) versionOf(kind core.PluginKind, name, version string) *knownPlugin {
	inUse := n.pluginOfKind(kind, name)
	if inUse == nil || inUse.Version == version {
		return inUse
	}
	for _, p := range n.observedPlugins() {
		if p.Kind == kind && p.Name == name && p.Version == version {
			return p
		}
	}
	return inUse
}

// RedactOptions returns a task's options without secrets. Where nobody can
// tell what is one, it hides all.
func (s *Service) RedactOptions(d core.DownloaderID, raw []byte) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	return s.rulesFor(d, raw).Redact(raw, core.RedactedSecret)
}

// rulesFor returns those of the downloader; without one, the first that take
// the options.
func (s *Service) rulesFor(id core.DownloaderID, raw []byte) *options.Rules {
	for _, d := range s.sorted() {
		p := s.pluginOf(d)
		if p == nil || p.rules == nil {
			continue
		}
		if d.ID == id || id == "" && p.checkOptions(string(raw)) == nil {
			return p.rules
		}
	}
	return nil
}
