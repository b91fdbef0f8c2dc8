package worker

import (
	"context"
	"encoding/json"

	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
	"github.com/haul-dl/haul/sdk/storage"
)

// fakeStorage is a scripted storage in this process.
type fakeStorage struct {
	*scriptedstorage.Storage
	host   *fakeHost
	spec   pluginhost.StorageSpec
	status pluginhost.Status
	closed bool
}

func (h *fakeHost) OpenStorage(spec pluginhost.StorageSpec) StorageInstance {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.storages == nil {
		h.storages = map[string]*fakeStorage{}
	}
	var settings scriptedstorage.Settings
	err := json.Unmarshal(spec.Settings, &settings)
	kept := spec.ID + string(spec.Settings)
	if h.kept[kept] == nil {
		h.kept[kept] = scriptedstorage.New(settings)
	}
	in := &fakeStorage{Storage: h.kept[kept], host: h, spec: spec}
	in.status = pluginhost.Status{State: pluginhost.StateRunning, PID: 4712, Version: "1.0.0"}
	if h.starting {
		in.status = pluginhost.Status{State: pluginhost.StateStarting}
	}
	if err != nil || spec.Plugin != "scripted" {
		in.status = pluginhost.Status{State: pluginhost.StateFailed, Err: errs.New(errs.PluginMissing, "There is no plugin %q.", spec.Plugin)}
	}
	h.storages[spec.ID] = in
	return in
}

func (h *fakeHost) TryOutStorage(ctx context.Context, spec pluginhost.StorageSpec, use func(context.Context, storage.Driver) error) error {
	h.tried.Add(1)
	if spec.Plugin != "scripted" {
		return errs.New(errs.PluginMissing, "There is no plugin %q.", spec.Plugin)
	}
	var settings scriptedstorage.Settings
	if err := json.Unmarshal(spec.Settings, &settings); err != nil {
		return errs.Wrap(err, errs.InvalidSettings, "The settings are wrong.")
	}
	return use(ctx, scriptedstorage.New(settings))
}

// storage returns the present instance of a storage, nil where none is open.
func (h *fakeHost) storage(id string) *fakeStorage {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.storages[id]; s != nil && !s.closed {
		return s
	}
	return nil
}

// setStorage changes the status of a storage's process, as when it crashes.
func (h *fakeHost) setStorage(id string, s pluginhost.Status) {
	h.mu.Lock()
	h.storages[id].status = s
	h.mu.Unlock()
	h.onChange(id)
}

func (in *fakeStorage) Driver() storage.Driver { return in.Storage }

func (in *fakeStorage) Status() pluginhost.Status {
	in.host.mu.Lock()
	defer in.host.mu.Unlock()
	return in.status
}

func (in *fakeStorage) Close(context.Context) error {
	in.host.mu.Lock()
	defer in.host.mu.Unlock()
	in.closed = true
	return nil
}
