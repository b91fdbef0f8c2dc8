package worker

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/pluginhost"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/storage"
)

// StorageInstance is one storage that a Host keeps running.
type StorageInstance interface {
	Driver() storage.Driver
	Status() pluginhost.Status
	Close(ctx context.Context) error
}

// depot is one storage: its plugin, where it is no local folder, and its health.
// It belongs to the loop.
type depot struct {
	want    core.DesiredStorage
	removed bool

	inst    StorageInstance // nil while closed, and of a local storage
	closing bool
	status  pluginhost.Status

	health      core.Health
	free, total int64 // -1 where not known
	testing     bool
	testedAt    time.Time // the last test's end; zero asks for one now
	lookAt      time.Time // when to ask next whether one is due
}

// storageClosed says that an instance has ended, so that its ID is free.
type storageClosed struct{ instance StorageInstance }

func newDepot(s core.DesiredStorage) *depot {
	return &depot{want: s, free: -1, total: -1, health: core.Health{State: core.HealthUnknown}}
}

func (k *depot) isLocal() bool { return k.want.Kind == core.StorageLocal }

// running reports whether calls make sense.
func (k *depot) running() bool {
	return k.isLocal() || k.inst != nil && !k.closing &&
		(k.status.State == pluginhost.StateRunning || k.status.State == pluginhost.StateDegraded)
}

// starting reports whether calls will make sense in a moment.
func (k *depot) starting() bool { return !k.running() && !k.removed && k.status.Err == nil }

func storageSpec(s core.DesiredStorage) pluginhost.StorageSpec {
	return pluginhost.StorageSpec{ID: string(s.ID), Name: s.Name, Plugin: string(s.Kind), Settings: s.Settings}
}

func sameStorageSpec(a, b core.DesiredStorage) bool {
	return a.ID == b.ID && a.Kind == b.Kind && bytes.Equal(a.Settings, b.Settings)
}

// storageOf returns the root of a local storage, or the driver of another one.
// Errors: errs.StorageMissing where core does not have it, errs.PluginStarting.
func (n *Node) storageOf(id core.StorageID) (root string, driver storage.Driver, err error) {
	k := n.storages[id]
	switch {
	case k == nil || k.removed:
		return "", nil, errs.New(errs.StorageMissing, "The task's storage does not exist on this node.")
	case k.isLocal():
		return k.want.Root, nil, nil
	case k.inst == nil || k.closing:
		return "", nil, errs.New(errs.PluginStarting, "The plugin of storage %s is starting.", k.want.Name)
	}
	return "", k.inst.Driver(), nil
}

// orderStorages takes over the storages that core has.
func (n *Node) orderStorages(o *core.Orders) {
	wanted := map[core.StorageID]bool{}
	for _, s := range o.Storages {
		wanted[s.ID] = true
		n.orderStorage(s)
	}
	if !o.Full && !o.AllStorages {
		return
	}
	for id := range n.storages {
		if !wanted[id] {
			n.dropStorage(id)
		}
	}
}

func (n *Node) orderStorage(s core.DesiredStorage) {
	k := n.storages[s.ID]
	switch {
	case k == nil:
		k = newDepot(s)
		n.storages[s.ID] = k
	case sameStorageSpec(k.want, s) && k.want.Name == s.Name && k.want.Root == s.Root && k.want.Revision == s.Revision && !k.removed:
		return
	}
	reopen := k.inst != nil && !sameStorageSpec(k.want, s)
	k.want, k.removed, k.testedAt, k.lookAt = s, false, time.Time{}, time.Time{}
	if err := n.pending.putStorage(n.journal.box, s); err != nil {
		n.log.Error("encode a record", "storage", s.Name, "err", err)
	}
	if reopen {
		n.shutStorage(k)
	} else {
		n.openStorage(k)
	}
	n.storagesDirty = true
	n.storageChanged(s.ID)
}

// dropStorage ends a storage that core does not have any more. What is there stays.
func (n *Node) dropStorage(id core.StorageID) {
	k := n.storages[id]
	if k == nil || k.removed {
		return
	}
	k.removed = true
	n.touchStorage(id)
	n.pending.delete(keyStorage + string(id))
	n.storagesDirty = true
	if k.inst == nil {
		n.discardStorage(k)
	} else {
		n.shutStorage(k)
	}
}

func (n *Node) discardStorage(k *depot) {
	delete(n.storages, k.want.ID)
	if k.isLocal() {
		return
	}
	if err := n.host.Discard(string(k.want.ID)); err != nil {
		n.log.Warn("what a deleted storage has kept stays", "storage", k.want.Name, "err", err)
	}
}

// openStorage starts the plugin of a storage.
func (n *Node) openStorage(k *depot) {
	if k.isLocal() || k.inst != nil || k.removed {
		return
	}
	k.inst = n.host.OpenStorage(storageSpec(k.want))
	n.setStorageHealth(k, core.HealthStarting, nil)
	n.lookAtStorage(k)
}

// shutStorage ends the plugin; the loop goes on when storageClosed comes.
func (n *Node) shutStorage(k *depot) {
	if k.inst == nil || k.closing {
		return
	}
	k.closing = true
	n.setStorageHealth(k, core.HealthStarting, nil) // what the old one was found to be is past
	inst, name := k.inst, k.want.Name
	n.steps.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(n.ctx), closeTimeout)
		defer cancel()
		if err := inst.Close(ctx); err != nil {
			n.log.Warn("close the plugin", "storage", name, "err", err)
		}
		n.post(storageClosed{inst})
	})
}

// onStorageClosed goes on after an instance has ended.
func (n *Node) onStorageClosed(e storageClosed) {
	for _, k := range n.storages {
		if k.inst != e.instance {
			continue
		}
		k.inst, k.closing, k.status = nil, false, pluginhost.Status{}
		n.storagesDirty = true
		if k.removed {
			n.discardStorage(k)
		} else {
			n.openStorage(k)
			n.storageChanged(k.want.ID)
		}
		return
	}
}

// lookAtStorage takes over the status of the instance.
func (n *Node) lookAtStorage(k *depot) {
	if k.inst == nil || k.closing {
		return
	}
	was, ran := k.status, k.running()
	k.status = k.inst.Status()
	switch {
	case k.running() && (!ran || was.PID != k.status.PID):
		// A new process: whatever was wrong with the old one is past.
		k.testedAt, k.lookAt = time.Time{}, time.Time{}
		n.setStorageHealth(k, core.HealthStarting, nil)
		n.touchStorage(k.want.ID)
	case k.status.State == pluginhost.StateDegraded:
		n.setStorageHealth(k, core.HealthDegraded, k.status.Err)
	case k.running() && was.State == pluginhost.StateDegraded:
		n.setStorageHealth(k, core.HealthOK, nil)
	case !k.running() && k.status.Err != nil:
		n.setStorageHealth(k, core.HealthFailed, k.status.Err)
		n.touchStorage(k.want.ID)
	case !k.running():
		n.setStorageHealth(k, core.HealthStarting, nil)
	}
	n.storagesDirty = true
}

// touchStorage has the jobs looked at that wait for a storage's plugin to start.
func (n *Node) touchStorage(id core.StorageID) {
	n.remnants.lookAt = time.Time{}
	for _, j := range n.jobs {
		for _, d := range j.Deliveries {
			if !d.Done && d.place() == id {
				n.touch(j)
				n.dirty[j.Job.ID] = struct{}{}
			}
		}
	}
}

// setStorageHealth notes how a storage fares. What it has held is tried at once
// where it is well again.
func (n *Node) setStorageHealth(k *depot, state core.HealthState, err error) {
	h := core.Health{State: state, Version: k.status.Version, CheckedAt: n.now().UTC()}
	if err != nil {
		h.Code, h.Message = errs.CodeOf(err), errs.MessageOf(err)
	}
	was := k.health
	k.health = h
	n.storagesDirty = true
	if was.State == h.State && was.Code == h.Code && was.Message == h.Message {
		return
	}
	if err != nil {
		n.log.Warn("storage is in trouble", "storage", k.want.Name, "code", h.Code, "err", err)
		return
	}
	n.log.Debug("storage changed", "storage", k.want.Name, "health", state)
	if state == core.HealthOK && (was.State == core.HealthDegraded || was.State == core.HealthFailed || was.State == core.HealthStarting) {
		n.storageChanged(k.want.ID)
	}
}

// observedStorages says how all storages fare.
func (n *Node) observedStorages() []core.ObservedStorage {
	out := make([]core.ObservedStorage, 0, len(n.storages))
	for id, k := range n.storages {
		if !k.removed {
			out = append(out, core.ObservedStorage{
				ID: id, Health: k.health, FreeBytes: k.free, TotalBytes: k.total,
				PluginPID: k.status.PID, PluginVersion: k.status.Version, Restarts: k.status.Restarts,
			})
		}
	}
	slices.SortFunc(out, func(a, b core.ObservedStorage) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
