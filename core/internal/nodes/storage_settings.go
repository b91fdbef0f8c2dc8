package nodes

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

// localSettings are those of a storage that is a folder.
type localSettings struct {
	// Path is absolute.
	Path string `json:"path"`
}

// applyStorage changes st, or says which fields are wrong.
func (s *Service) applyStorage(st *core.Storage, c *core.StorageChange) error {
	wrong := errs.New(errs.InvalidRequest, "The storage is not valid.")
	if c.Name != nil {
		st.Name = *c.Name
	}
	if message := wrongName(st.Name); message != "" {
		wrong = wrong.WithField("name", message)
	}
	if c.Kind != nil {
		st.Kind = core.StorageKind(*c.Kind)
	}
	if st.Kind == "" {
		wrong = wrong.WithField("kind", "is required")
	}
	if len(wrong.Fields) > 0 {
		return wrong
	}
	if st.Kind == core.StorageLocal {
		return s.applyLocal(st, c.Settings)
	}
	return s.applyRemote(st, c.Settings)
}

// applyRemote has the plugin's schema judge the settings.
func (s *Service) applyRemote(st *core.Storage, changed []byte) error {
	if changed == nil && st.Settings != nil {
		return nil // nothing that the plugin has a say in: it may be gone
	}
	p := s.storagePlugin(st.Kind)
	if p == nil {
		return errs.New(errs.PluginMissing, "There is no plugin for storages of kind %q.", st.Kind).
			WithField("kind", "is not installed").WithHint("Put haul-storage-%s into a directory of plugins; haul plugin ls shows what is there.", st.Kind)
	}
	if p.Failure != nil {
		return errs.New(p.Failure.Code, "Plugin %q cannot be used: %s", p.Name, p.Failure.Message).WithField("kind", p.Failure.Message)
	}
	old := st.Settings
	if old == nil {
		old = json.RawMessage("{}")
	}
	settings, err := p.changeSettings(old, changed)
	if err != nil {
		return err
	}
	st.Settings = settings
	return nil
}

// storagePlugin returns the plugin of a kind of storage, or nil.
func (s *Service) storagePlugin(kind core.StorageKind) *knownPlugin {
	for _, n := range s.allNodes() {
		if p := n.pluginOfKind(core.PluginStorage, string(kind)); p != nil {
			return p
		}
	}
	return nil
}

func (s *Service) applyLocal(st *core.Storage, changed []byte) error {
	if changed == nil {
		if st.Root == "" {
			return errs.New(errs.InvalidSettings, "A local storage needs a folder.").WithField("settings.path", "is required")
		}
		return nil
	}
	var given map[string]any
	if err := json.Unmarshal(changed, &given); err != nil || given == nil {
		return errs.New(errs.InvalidSettings, "The settings are not a JSON object.").WithField("settings", "is not a JSON object")
	}
	for key := range given {
		if key != "path" {
			return errs.New(errs.InvalidSettings, "A local storage has no setting %q.", key).WithField("settings."+key, "does not exist")
		}
	}
	path, ok := given["path"].(string)
	if why := s.wrongRoot(path); !ok || why != "" {
		return errs.New(errs.InvalidSettings, "The folder of the storage is not valid.").WithField("settings.path", why)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return errs.Wrap(err, errs.InvalidSettings, "The folder %s cannot be made.", path).WithField("settings.path", "cannot be made").
			WithHint("Make it, and give the user that haul runs as the right to write there.")
	}
	st.Root = filepath.Clean(path)
	return nil
}

// wrongRoot says why a folder cannot be a storage.
func (s *Service) wrongRoot(path string) string {
	clean, data := resolved(path), resolved(s.data)
	switch {
	case path == "" || !filepath.IsAbs(path) || strings.ContainsRune(path, 0):
		return "must be an absolute path"
	case clean == string(filepath.Separator):
		return "must not be the root of all folders"
	case s.data != "" && (within(clean, data) && !within(clean, filepath.Join(data, "files")) || within(data, clean)):
		return "must not lie in haul's own directory, nor the reverse"
	}
	return ""
}

// resolved follows the links in a path, as far as it exists.
func resolved(path string) string {
	rest := ""
	for at := filepath.Clean(path); ; at = filepath.Dir(at) {
		if target, err := filepath.EvalSymlinks(at); err == nil {
			return filepath.Join(target, rest)
		}
		if at == filepath.Dir(at) {
			return filepath.Clean(path)
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// within reports whether a path is a folder, or lies in it.
func within(path, folder string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}

// redactStorage returns a storage's settings without secrets.
func (s *Service) redactStorage(st *core.Storage) json.RawMessage {
	if st.Kind == core.StorageLocal {
		b, err := json.Marshal(localSettings{st.Root})
		if err != nil {
			return json.RawMessage("{}")
		}
		return b
	}
	var sch *schema.Schema
	if p := s.storagePlugin(st.Kind); p != nil {
		sch = p.settings
	}
	return sch.Redact(st.Settings, core.RedactedSecret)
}
