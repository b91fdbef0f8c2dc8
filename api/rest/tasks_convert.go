package rest

import (
	"fmt"
	"math"

	"github.com/haul-dl/haul/api/apigen"
	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

func newTaskOf(r *apigen.CreateTasksRequest) *core.NewTask {
	out := &core.NewTask{
		Node: value(r.Node), Downloader: value(r.Downloader),
		Files: r.Files.Indexes, Options: value(r.Options), Paused: value(r.Paused),
	}
	if d := r.Destination; d != nil {
		out.Destination = core.NewDestination{Storage: d.Storage, Path: d.Path}
	}
	sources := value(r.Sources)
	out.Sources = make([]core.NewSource, len(sources))
	for i, src := range sources {
		out.Sources[i] = core.NewSource{
			URI: src.URI, Kind: downloader.SourceKind(src.Kind), Field: fmt.Sprintf("sources[%d]", i),
		}
	}
	return out
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
		ID:       string(v.ID),
		Owner:    named(v.OwnerName, v.Owner),
		Source:   apigen.TaskSource{Kind: apigen.SourceKind(v.Source.Kind), URI: v.Source.URI},
		Name:     v.Name,
		InfoHash: optional(v.InfoHash),
		State:    apigen.TaskState(v.State),
		Wish:     apigen.TaskWish(v.Wish),
		Waiting:  waitingOf(v.Waiting),

		Node:       optional(named(v.NodeName, v.Node)),
		Downloader: optional(named(v.DownloaderName, v.Downloader)),
		Destination: apigen.TaskDestination{
			Storage: named(v.StorageName, v.Destination.Storage), Path: v.Destination.Path,
		},
		Files:    selectionOf(v.Selection),
		Options:  jsonObject(v.Options),
		Progress: progressOf(v),
		Delivery: apigen.TaskDelivery{
			TotalBytes: v.Delivery.TotalBytes, DoneBytes: v.Delivery.DoneBytes,
			FilesTotal: v.Delivery.FilesTotal, FilesDone: v.Delivery.FilesDone,
		},
		Error:   failureOf(v.Error),
		Attempt: v.Attempt,

		CreatedAt:    v.CreatedAt.UTC(),
		StartedAt:    optionalTime(v.StartedAt),
		DownloadedAt: optionalTime(v.DownloadedAt),
		DeliveredAt:  optionalTime(v.DeliveredAt),
		CompletedAt:  optionalTime(v.CompletedAt),
		DeletedAt:    optionalTime(v.DeletedAt),
	}
}

// selectionOf returns nil, which means all, for no selection.
func selectionOf(files []int) *[]int {
	if len(files) == 0 {
		return nil
	}
	return &files
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
