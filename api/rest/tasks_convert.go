package rest

import (
	"cmp"
	"fmt"
	"math"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

// newTaskOf fails where the files are not a selection.
func newTaskOf(r *apigen.CreateTasksRequest) (*core.NewTask, error) {
	selection, err := selectionOf(r.Files)
	if err != nil {
		return nil, err
	}
	out := &core.NewTask{
		Node: value(r.Node), Downloader: value(r.Downloader),
		Selection: selection, OnConflict: core.ConflictPolicy(value(r.OnConflict)), Seed: seedPolicy(r.Seed.Policy),
		Options: value(r.Options), Paused: value(r.Paused),
	}
	if d := newDestination(r.Destination); d != nil {
		out.Destination = *d
	}
	sources := value(r.Sources)
	out.Sources = make([]core.NewSource, len(sources))
	for i, src := range sources {
		out.Sources[i] = newSource(src, fmt.Sprintf("sources[%d]", i))
	}
	return out, nil
}

func newSource(src apigen.NewSource, field string) core.NewSource {
	return core.NewSource{URI: src.URI, Kind: downloader.SourceKind(src.Kind), Field: field}
}

// newDestination returns nil for one that was not given.
func newDestination(d *apigen.NewDestination) *core.NewDestination {
	if d == nil {
		return nil
	}
	return &core.NewDestination{Storage: d.Storage, Path: d.Path}
}

func tasksOf(views []core.TaskView) []apigen.Task {
	out := make([]apigen.Task, len(views))
	for i := range views {
		out[i] = taskOf(&views[i])
	}
	return out
}

func taskOf(v *core.TaskView) apigen.Task {
	return apigen.Task{
		ID:      string(v.ID),
		Owner:   named(v.OwnerName, v.Owner),
		Source:  apigen.TaskSource{Kind: apigen.SourceKind(v.Source.Kind), URI: v.Source.URI},
		Name:    v.Name,
		State:   apigen.TaskState(v.State),
		Wish:    apigen.TaskWish(v.Wish),
		Waiting: waitingOf(v.Waiting),

		InfoHash: optional(v.InfoHash), InfoHashV2: optional(v.InfoHashV2), Private: v.Private,

		Node:       optional(named(v.NodeName, v.Node)),
		Downloader: optional(named(v.DownloaderName, v.Downloader)),
		Destination: apigen.TaskDestination{
			Storage: named(v.StorageName, v.Destination.Storage), Path: v.Destination.Path,
		},
		Files:      shownSelection(v.Selection),
		OnConflict: apigen.OnConflict(cmp.Or(v.OnConflict, core.ConflictRename)),
		Seed:       seedOf(v.Seed),
		Options:    jsonObject(v.Options),
		Progress:   progressOf(v),
		Delivery: apigen.TaskDelivery{
			TotalBytes: v.Delivery.TotalBytes, DoneBytes: v.Delivery.DoneBytes,
			FilesTotal: v.Delivery.FilesTotal, FilesDone: v.Delivery.FilesDone,
		},
		Error:     failureOf(v.Error),
		Attempt:   v.Attempt,
		Retries:   apigen.TaskRetries{Used: v.Retries.Used, Limit: v.Retries.Limit, NextAt: optionalTime(v.Retries.NextAt)},
		HeldUntil: optionalTime(v.HeldUntil),

		CreatedAt:    v.CreatedAt.UTC(),
		StartedAt:    optionalTime(v.StartedAt),
		DownloadedAt: optionalTime(v.DownloadedAt),
		DeliveredAt:  optionalTime(v.DeliveredAt),
		CompletedAt:  optionalTime(v.CompletedAt),
		DeletedAt:    optionalTime(v.DeletedAt),
	}
}

func progressOf(v *core.TaskView) apigen.TaskProgress {
	p := v.Progress
	out := apigen.TaskProgress{
		DoneBytes: p.DoneBytes, DownloadRate: p.DownloadRate, UploadRate: p.UploadRate,
		UploadedBytes: p.UploadedBytes, Ratio: p.Ratio(), Peers: p.Peers, Seeds: p.Seeds,
	}
	if p.TotalBytes > 0 || v.DownloadedAt != nil {
		out.TotalBytes = &p.TotalBytes
	}
	if eta, ok := p.ETA(); ok {
		seconds := int64(math.Ceil(eta.Seconds()))
		out.EtaSeconds = &seconds
	}
	return out
}

func waitingOf(w *core.Waiting) *apigen.Reason {
	if w == nil {
		return nil
	}
	return &apigen.Reason{Code: string(w.Code), Message: w.Message}
}

func failureOf(f *core.Failure) *apigen.TaskError {
	if f == nil {
		return nil
	}
	return &apigen.TaskError{
		Code: string(f.Code), Message: f.Message, Hint: f.Hint, At: f.At.UTC(), Retryable: f.Retryable,
	}
}

func fileOf(f *core.TaskFile) apigen.File {
	out := apigen.File{
		Index: f.Index, Path: f.Path, Size: f.Size, Wanted: f.Wanted,
		Delivered: f.Delivered, Skipped: f.Skipped, Error: failureOf(f.Failure),
	}
	if f.DoneBytes >= 0 {
		out.DoneBytes = &f.DoneBytes
	}
	return out
}

func eventOf(e *core.HistoryEvent) apigen.HistoryEvent {
	return apigen.HistoryEvent{
		Seq: e.Seq, At: e.At.UTC(), Kind: apigen.HistoryKind(e.Kind), State: optional(apigen.TaskState(e.State)),
		Code: optional(string(e.Code)), Message: e.Message, By: optional(e.By),
	}
}
