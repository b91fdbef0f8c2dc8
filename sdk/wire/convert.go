package wire

import (
	"math"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/internal/rpc"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// These converters send; they repair text, so that marshalling cannot fail.
// Their reverse, in validate.go, also checks.

func descriptionToProto(d downloader.Description) *pb.Description {
	out := &pb.Description{
		Name:           rpc.Clean(d.Name, rpc.MaxName),
		Version:        rpc.Clean(d.Version, rpc.MaxName),
		DisplayName:    rpc.Clean(d.DisplayName, rpc.MaxName),
		SettingsSchema: d.SettingsSchema,
		Managed:        d.Managed,
		ManagedHint:    rpc.Clean(d.ManagedHint, rpc.MaxText),
		OptionsSchema:  d.OptionsSchema,
	}
	for _, key := range d.ReservedOptions {
		out.ReservedOptions = append(out.ReservedOptions, rpc.Clean(key, rpc.MaxName))
	}
	for _, k := range d.Sources {
		out.Sources = append(out.Sources, toWire(sourceKinds, k))
	}
	for _, c := range d.Capabilities {
		out.Capabilities = append(out.Capabilities, toWire(capabilities, c))
	}
	return out
}

func configToProto(c downloader.Config) *pb.ConfigureRequest {
	return &pb.ConfigureRequest{
		DownloaderId: c.DownloaderID,
		Settings:     c.Settings,
		StateDir:     c.StateDir,
		MaxActive:    int32Of(c.MaxActive),
	}
}

func addToProto(r downloader.AddRequest) *pb.AddRequest {
	return &pb.AddRequest{
		JobId: r.JobID,
		Dir:   r.Dir,
		Source: &pb.Source{
			Kind:    toWire(sourceKinds, r.Source.Kind),
			Uri:     r.Source.URI,
			Content: r.Source.Content,
			Name:    rpc.Clean(r.Source.Name, rpc.MaxName),
		},
		Options: r.Options,
		Files:   indexesToProto(r.Files),
		Paused:  r.Paused,
		Limits:  limitsToProto(r.Limits),
		Verify:  r.Verify,
	}
}

func indexesToProto(in []int) []int32 {
	if len(in) == 0 {
		return nil
	}
	out := make([]int32, 0, len(in))
	for _, i := range in {
		out = append(out, int32Of(i))
	}
	return out
}

func limitsToProto(l downloader.Limits) *pb.Limits {
	out := &pb.Limits{DownloadRate: l.DownloadRate, UploadRate: l.UploadRate}
	if s := l.Seed; s != nil {
		out.Seed = &pb.SeedLimits{Ratio: s.Ratio, Time: durationpb.New(max(0, s.Time)), Idle: durationpb.New(max(0, s.Idle))}
	}
	return out
}

func refToProto(r downloader.Ref) *pb.Ref {
	return &pb.Ref{JobId: rpc.Clean(r.JobID, rpc.MaxID), Version: r.Version, Opaque: r.Opaque}
}

func statusToProto(s downloader.Status) *pb.Status {
	out := &pb.Status{
		JobId:         rpc.Clean(s.JobID, rpc.MaxID),
		Phase:         toWire(phases, s.Phase),
		Name:          rpc.Clean(s.Name, rpc.MaxName),
		InfoHash:      rpc.Clean(s.InfoHash, rpc.MaxID),
		TotalBytes:    s.TotalBytes,
		DoneBytes:     s.DoneBytes,
		UploadedBytes: s.UploadedBytes,
		DownloadRate:  s.DownloadRate,
		UploadRate:    s.UploadRate,
		Peers:         int32Of(s.Peers),
		Seeds:         int32Of(s.Seeds),
		Message:       rpc.Clean(s.Message, rpc.MaxText),
		Err:           rpc.ErrorToProto(s.Err),
	}
	if len(s.Files) > 0 {
		out.Files = make([]*pb.File, 0, len(s.Files))
	}
	for _, f := range s.Files {
		out.Files = append(out.Files, &pb.File{
			Index: int32Of(f.Index), Path: rpc.Clean(f.Path, rpc.MaxPath), Size: f.Size, DoneBytes: f.DoneBytes, Skipped: f.Skipped,
		})
	}
	return out
}

func statusesToProto(in []downloader.Status) []*pb.Status {
	out := make([]*pb.Status, 0, len(in))
	for _, s := range in {
		out = append(out, statusToProto(s))
	}
	return out
}

func listedToProto(in []downloader.Listed) []*pb.Listed {
	out := make([]*pb.Listed, 0, len(in))
	for _, l := range in {
		out = append(out, &pb.Listed{Ref: refToProto(l.Ref), Name: rpc.Clean(l.Name, rpc.MaxName)})
	}
	return out
}

func testToProto(r downloader.TestResult) *pb.TestResponse {
	out := &pb.TestResponse{
		Version: rpc.Clean(r.Version, rpc.MaxName), Took: durationpb.New(max(0, r.Took)), LocalAddress: rpc.Clean(r.LocalAddress, rpc.MaxName),
	}
	for _, c := range r.Checks {
		out.Checks = append(out.Checks, &pb.TestCheck{
			Name: rpc.Clean(c.Name, rpc.MaxName), Message: rpc.Clean(c.Message, rpc.MaxText), Err: rpc.ErrorToProto(c.Err),
		})
	}
	return out
}

// int32Of clamps n to what the wire carries.
func int32Of(n int) int32 { return int32(max(math.MinInt32, min(math.MaxInt32, n))) }

func durationOf(d *durationpb.Duration) time.Duration { return max(0, d.AsDuration()) }
