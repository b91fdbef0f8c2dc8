package wire

import (
	"context"
	"errors"
	"io"
	"slices"
	"unicode/utf8"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/internal/rpc"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// driver is the configured driver of a plugin in another process.
type driver struct {
	rpc pb.DownloaderClient
}

var (
	_ downloader.Driver       = (*driver)(nil)
	_ downloader.Tester       = (*driver)(nil)
	_ downloader.Watcher      = (*driver)(nil)
	_ downloader.Lister       = (*driver)(nil)
	_ downloader.Pauser       = (*driver)(nil)
	_ downloader.FileSelector = (*driver)(nil)
	_ downloader.Limiter      = (*driver)(nil)
)

// Add implements downloader.Driver.
func (d *driver) Add(ctx context.Context, req downloader.AddRequest) (downloader.Ref, error) {
	if !utf8.ValidString(req.Source.URI) {
		return downloader.Ref{}, errs.New(errs.InvalidSource, "The source is not valid UTF-8.")
	}
	if !utf8.ValidString(req.Dir) || !utf8.ValidString(req.JobID) {
		return downloader.Ref{}, errs.New(errs.InvalidRequest, "The job's directory is not valid UTF-8.")
	}
	resp, err := d.rpc.Add(ctx, addToProto(req), callOptions()...)
	if err != nil {
		return downloader.Ref{}, failures.FromStatus(ctx, "add", err)
	}
	ref, ok := refFromProto(resp.GetRef())
	if !ok {
		return downloader.Ref{}, errs.New(errs.PluginIncompatible, "The plugin's reference to the job is over %d bytes.", maxOpaque)
	}
	ref.JobID = req.JobID
	return ref, nil
}

// Check implements downloader.Driver. It asks for at most 1000 jobs at once.
func (d *driver) Check(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	out := make([]downloader.Status, 0, len(refs))
	for page := range slices.Chunk(refs, maxRefs) {
		statuses, err := d.checkPage(ctx, page)
		if err != nil {
			return nil, err
		}
		out = append(out, statuses...)
	}
	return out, nil
}

// checkPage asks for a few jobs, and for half of them at a time where the answer
// is too large for one message.
func (d *driver) checkPage(ctx context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
	req := &pb.CheckRequest{Refs: make([]*pb.Ref, 0, len(refs))}
	asked := make(map[string]bool, len(refs))
	for _, r := range refs {
		req.Refs = append(req.Refs, refToProto(r))
		asked[r.JobID] = true
	}
	resp, err := d.rpc.Check(ctx, req, callOptions()...)
	if isTooLarge(err) && len(refs) > 1 {
		first, err := d.checkPage(ctx, refs[:len(refs)/2])
		if err != nil {
			return nil, err
		}
		second, err := d.checkPage(ctx, refs[len(refs)/2:])
		return append(first, second...), err
	}
	if err != nil {
		return nil, failures.FromStatus(ctx, "check", err)
	}
	out := make([]downloader.Status, 0, len(refs))
	for _, s := range resp.GetStatuses() {
		if !asked[s.GetJobId()] {
			continue
		}
		delete(asked, s.GetJobId())
		out = append(out, statusFromProto(s))
	}
	return out, nil
}

// isTooLarge reports whether gRPC itself refused a message for its size.
func isTooLarge(err error) bool {
	st := status.Convert(err)
	return st.Code() == codes.ResourceExhausted && len(st.Details()) == 0
}

// Remove implements downloader.Driver.
func (d *driver) Remove(ctx context.Context, ref downloader.Ref, deleteData bool) error {
	_, err := d.rpc.Remove(ctx, &pb.RemoveRequest{Ref: refToProto(ref), DeleteData: deleteData}, callOptions()...)
	return failures.FromStatus(ctx, "remove", err)
}

// Pause implements downloader.Pauser.
func (d *driver) Pause(ctx context.Context, ref downloader.Ref) error {
	_, err := d.rpc.Pause(ctx, &pb.PauseRequest{Ref: refToProto(ref)}, callOptions()...)
	return failures.FromStatus(ctx, "pause", err)
}

// Resume implements downloader.Pauser.
func (d *driver) Resume(ctx context.Context, ref downloader.Ref) error {
	_, err := d.rpc.Resume(ctx, &pb.ResumeRequest{Ref: refToProto(ref)}, callOptions()...)
	return failures.FromStatus(ctx, "resume", err)
}

// SelectFiles implements downloader.FileSelector.
func (d *driver) SelectFiles(ctx context.Context, ref downloader.Ref, files []int) error {
	req := &pb.SelectFilesRequest{Ref: refToProto(ref), Files: indexesToProto(files)}
	_, err := d.rpc.SelectFiles(ctx, req, callOptions()...)
	return failures.FromStatus(ctx, "select files", err)
}

// SetLimits implements downloader.Limiter.
func (d *driver) SetLimits(ctx context.Context, ref downloader.Ref, limits downloader.Limits) error {
	req := &pb.SetLimitsRequest{Ref: refToProto(ref), Limits: limitsToProto(limits)}
	_, err := d.rpc.SetLimits(ctx, req, callOptions()...)
	return failures.FromStatus(ctx, "set limits", err)
}

// Test implements downloader.Tester.
func (d *driver) Test(ctx context.Context) (downloader.TestResult, error) {
	resp, err := d.rpc.Test(ctx, &pb.TestRequest{}, callOptions()...)
	if err != nil {
		return downloader.TestResult{}, failures.FromStatus(ctx, "test", err)
	}
	return testFromProto(resp), nil
}

// Watch implements downloader.Watcher.
func (d *driver) Watch(ctx context.Context, fn func([]downloader.Status)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := d.rpc.Watch(ctx, &pb.WatchRequest{}, callOptions()...)
	if err != nil {
		return failures.FromStatus(ctx, "watch", err)
	}
	for {
		resp, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return errs.New(errs.Unavailable, "The plugin ended its stream of changes.")
		}
		if err != nil {
			return failures.FromStatus(ctx, "watch", err)
		}
		if statuses := watched(resp.GetStatuses()); len(statuses) > 0 {
			fn(statuses)
		}
	}
}

// watched leaves out statuses that name no job.
func watched(in []*pb.Status) []downloader.Status {
	out := make([]downloader.Status, 0, len(in))
	for _, s := range in {
		if s.GetJobId() != "" {
			out = append(out, statusFromProto(s))
		}
	}
	return out
}

// List implements downloader.Lister. Jobs whose reference is too large to be
// stored are left out.
func (d *driver) List(ctx context.Context) ([]downloader.Listed, error) {
	resp, err := d.rpc.List(ctx, &pb.ListRequest{}, callOptions()...)
	if err != nil {
		return nil, failures.FromStatus(ctx, "list", err)
	}
	out := make([]downloader.Listed, 0, len(resp.GetJobs()))
	for _, j := range resp.GetJobs() {
		if ref, ok := refFromProto(j.GetRef()); ok {
			out = append(out, downloader.Listed{Ref: ref, Name: rpc.Clean(j.GetName(), rpc.MaxName)})
		}
	}
	return out, nil
}
