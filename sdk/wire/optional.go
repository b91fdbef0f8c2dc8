package wire

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/internal/rpc"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// Test implements the contract.
func (s *Server) Test(ctx context.Context, _ *pb.TestRequest) (*pb.TestResponse, error) {
	return drive(ctx, s, "test", func(ctx context.Context, d downloader.Driver) (*pb.TestResponse, error) {
		t, ok := d.(downloader.Tester)
		if !ok {
			return nil, notOffered("test")
		}
		result, err := t.Test(ctx)
		return testToProto(result), err
	})
}

// List implements the contract.
func (s *Server) List(ctx context.Context, _ *pb.ListRequest) (*pb.ListResponse, error) {
	return drive(ctx, s, "list", func(ctx context.Context, d downloader.Driver) (*pb.ListResponse, error) {
		l, ok := d.(downloader.Lister)
		if !ok {
			return nil, notOffered("list")
		}
		jobs, err := l.List(ctx)
		return &pb.ListResponse{Jobs: listedToProto(jobs)}, err
	})
}

// Pause implements the contract.
func (s *Server) Pause(ctx context.Context, req *pb.PauseRequest) (*pb.PauseResponse, error) {
	return drive(ctx, s, "pause", func(ctx context.Context, d downloader.Driver) (*pb.PauseResponse, error) {
		p, ok := d.(downloader.Pauser)
		if !ok {
			return nil, notOffered("pause")
		}
		ref, _ := refFromProto(req.GetRef())
		return &pb.PauseResponse{}, p.Pause(ctx, ref)
	})
}

// Resume implements the contract.
func (s *Server) Resume(ctx context.Context, req *pb.ResumeRequest) (*pb.ResumeResponse, error) {
	return drive(ctx, s, "resume", func(ctx context.Context, d downloader.Driver) (*pb.ResumeResponse, error) {
		p, ok := d.(downloader.Pauser)
		if !ok {
			return nil, notOffered("resume")
		}
		ref, _ := refFromProto(req.GetRef())
		return &pb.ResumeResponse{}, p.Resume(ctx, ref)
	})
}

// SelectFiles implements the contract.
func (s *Server) SelectFiles(ctx context.Context, req *pb.SelectFilesRequest) (*pb.SelectFilesResponse, error) {
	return drive(ctx, s, "select files", func(ctx context.Context, d downloader.Driver) (*pb.SelectFilesResponse, error) {
		f, ok := d.(downloader.FileSelector)
		if !ok {
			return nil, notOffered("select files")
		}
		if len(req.GetFiles()) == 0 {
			// For some daemons no file means all of them.
			return nil, errs.New(errs.InvalidRequest, "At least one file must be wanted.")
		}
		ref, _ := refFromProto(req.GetRef())
		return &pb.SelectFilesResponse{}, f.SelectFiles(ctx, ref, indexesFromProto(req.GetFiles()))
	})
}

// SetLimits implements the contract.
func (s *Server) SetLimits(ctx context.Context, req *pb.SetLimitsRequest) (*pb.SetLimitsResponse, error) {
	return drive(ctx, s, "set limits", func(ctx context.Context, d downloader.Driver) (*pb.SetLimitsResponse, error) {
		l, ok := d.(downloader.Limiter)
		if !ok {
			return nil, notOffered("set limits")
		}
		ref, _ := refFromProto(req.GetRef())
		return &pb.SetLimitsResponse{}, l.SetLimits(ctx, ref, limitsFromProto(req.GetLimits()))
	})
}

// Watch implements the contract.
func (s *Server) Watch(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	_, err := rpc.RunEndless(stream.Context(), s.calls, "watch", withDriver(s, func(ctx context.Context, d downloader.Driver) (*struct{}, error) {
		w, ok := d.(downloader.Watcher)
		if !ok {
			return nil, notOffered("watch")
		}
		return nil, watch(ctx, w, stream)
	}))
	return err
}

// watch hands on what w reports. It ends w where the caller is gone.
func watch(ctx context.Context, w downloader.Watcher, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	return w.Watch(ctx, func(statuses []downloader.Status) {
		for page := range slices.Chunk(statuses, maxRefs) {
			if err := stream.Send(&pb.WatchResponse{Statuses: statusesToProto(page)}); err != nil {
				cancel(err)
				return
			}
		}
	})
}

func notOffered(what string) error {
	return errs.New(errs.NotOffered, "The plugin does not offer %s.", what)
}
