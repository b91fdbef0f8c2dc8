package wire

import (
	"context"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/internal/rpc"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// Server offers a plugin to another process. A panic in a call of the plugin
// fails that call alone.
type Server struct {
	pb.UnimplementedDownloaderServer

	impl  downloader.Plugin
	calls *rpc.Calls
	slot  rpc.Slot[downloader.Driver]
}

// NewServer returns a server of impl, which logs to logger.
func NewServer(impl downloader.Plugin, logger hclog.Logger) *Server {
	return &Server{impl: impl, calls: rpc.NewCalls(logger)}
}

// RegisterServer offers impl on s.
func RegisterServer(s *grpc.Server, impl downloader.Plugin, logger hclog.Logger) {
	NewServer(impl, logger).Register(s)
}

// Register offers the plugin on g.
func (s *Server) Register(g *grpc.Server) { pb.RegisterDownloaderServer(g, s) }

// Describe implements the contract.
func (s *Server) Describe(ctx context.Context, _ *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return call(ctx, s, "describe", func(ctx context.Context) (*pb.DescribeResponse, error) {
		d, err := s.impl.Describe(ctx)
		return &pb.DescribeResponse{Description: descriptionToProto(d)}, err
	})
}

// Configure implements the contract.
func (s *Server) Configure(ctx context.Context, req *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return call(ctx, s, "configure", func(ctx context.Context) (*pb.ConfigureResponse, error) {
		return &pb.ConfigureResponse{}, s.slot.Fill(func() (downloader.Driver, error) {
			return s.impl.Configure(ctx, downloader.Config{
				DownloaderID: req.GetDownloaderId(),
				Settings:     req.GetSettings(),
				StateDir:     req.GetStateDir(),
				MaxActive:    int(req.GetMaxActive()),
				Logger:       s.calls.Logger(),
			})
		})
	})
}

// Add implements the contract.
func (s *Server) Add(ctx context.Context, req *pb.AddRequest) (*pb.AddResponse, error) {
	return drive(ctx, s, "add", func(ctx context.Context, d downloader.Driver) (*pb.AddResponse, error) {
		ref, err := d.Add(ctx, downloader.AddRequest{
			JobID: req.GetJobId(), Source: sourceFromProto(req.GetSource()), Dir: req.GetDir(),
			Options: req.GetOptions(), Files: indexesFromProto(req.GetFiles()), Paused: req.GetPaused(),
			Limits: limitsFromProto(req.GetLimits()), Verify: req.GetVerify(),
		})
		return &pb.AddResponse{Ref: refToProto(ref)}, err
	})
}

// Check implements the contract.
func (s *Server) Check(ctx context.Context, req *pb.CheckRequest) (*pb.CheckResponse, error) {
	return drive(ctx, s, "check", func(ctx context.Context, d downloader.Driver) (*pb.CheckResponse, error) {
		if len(req.GetRefs()) > maxRefs {
			return nil, errs.New(errs.InvalidRequest, "One Check takes at most %d jobs.", maxRefs)
		}
		refs := make([]downloader.Ref, 0, len(req.GetRefs()))
		for _, r := range req.GetRefs() {
			ref, _ := refFromProto(r)
			refs = append(refs, ref)
		}
		statuses, err := d.Check(ctx, refs)
		return &pb.CheckResponse{Statuses: statusesToProto(statuses)}, err
	})
}

// Remove implements the contract.
func (s *Server) Remove(ctx context.Context, req *pb.RemoveRequest) (*pb.RemoveResponse, error) {
	return drive(ctx, s, "remove", func(ctx context.Context, d downloader.Driver) (*pb.RemoveResponse, error) {
		ref, _ := refFromProto(req.GetRef())
		return &pb.RemoveResponse{}, d.Remove(ctx, ref, req.GetDeleteData())
	})
}

// drive is call for what needs the driver.
func drive[T any](ctx context.Context, s *Server, op string, fn func(context.Context, downloader.Driver) (*T, error)) (*T, error) {
	return call(ctx, s, op, withDriver(s, fn))
}

func withDriver[T any](s *Server, fn func(context.Context, downloader.Driver) (*T, error)) func(context.Context) (*T, error) {
	return func(ctx context.Context) (*T, error) {
		d, err := s.slot.Driver()
		if err != nil {
			return nil, err
		}
		return fn(ctx, d)
	}
}

// call runs one call of the plugin.
func call[T any](ctx context.Context, s *Server, op string, fn func(context.Context) (*T, error)) (*T, error) {
	return rpc.Run(ctx, s.calls, op, fn)
}
