package wire

import (
	"context"
	"runtime/debug"
	"sync"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// Server offers a plugin to another process. A panic in a call of the plugin
// fails that call alone.
type Server struct {
	pb.UnimplementedDownloaderServer

	impl   downloader.Plugin
	logger hclog.Logger
	calls  *calls

	mu         sync.Mutex // guards what follows
	configured bool
	driver     downloader.Driver

	closeOnce sync.Once
	closeErr  error
}

// NewServer returns a server of impl, which logs to logger.
func NewServer(impl downloader.Plugin, logger hclog.Logger) *Server {
	return &Server{impl: impl, logger: logger, calls: newCalls()}
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
	return call(ctx, s, "configure", func(ctx context.Context) (_ *pb.ConfigureResponse, err error) {
		if err := s.claim(); err != nil {
			return nil, err
		}
		var d downloader.Driver
		defer func() { s.settle(d) }()
		d, err = s.impl.Configure(ctx, downloader.Config{
			DownloaderID: req.GetDownloaderId(),
			Settings:     req.GetSettings(),
			StateDir:     req.GetStateDir(),
			MaxActive:    int(req.GetMaxActive()),
			Logger:       s.logger,
		})
		if err != nil {
			return nil, err
		}
		if d == nil {
			return nil, errs.New(errs.Internal, "The plugin made no driver.")
		}
		return &pb.ConfigureResponse{}, nil
	})
}

// claim makes sure that the plugin is configured once.
func (s *Server) claim() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.configured {
		return errs.New(errs.Conflict, "The plugin was configured before.").WithHint("Start a new process for another configuration.")
	}
	s.configured = true
	return nil
}

// settle keeps the driver that Configure made; without one it may try again.
func (s *Server) settle(d downloader.Driver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.driver, s.configured = d, d != nil
}

func (s *Server) current() (downloader.Driver, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.driver == nil {
		return nil, errs.New(errs.Conflict, "The plugin is not configured yet.").WithHint("Call Configure first.")
	}
	return s.driver, nil
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
		d, err := s.current()
		if err != nil {
			return nil, err
		}
		return fn(ctx, d)
	}
}

// call runs one call of the plugin: it is refused once the plugin is ending, a
// panic fails this call alone, and a failure becomes a gRPC status.
func call[T any](ctx context.Context, s *Server, op string, fn func(context.Context) (*T, error)) (*T, error) {
	return begun(ctx, s, op, false, fn)
}

// begun is call, also for streams.
func begun[T any](ctx context.Context, s *Server, op string, stream bool, fn func(context.Context) (*T, error)) (*T, error) {
	ctx, end, err := s.calls.begin(ctx, stream)
	if err != nil {
		return nil, toStatus(err)
	}
	defer end()
	resp, err := guarded(ctx, s, op, fn)
	if err != nil {
		return nil, s.fail(op, err)
	}
	return resp, nil
}

func guarded[T any](ctx context.Context, s *Server, op string, fn func(context.Context) (*T, error)) (_ *T, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.logger.Error("plugin panicked", "op", op, "panic", p, "stack", string(debug.Stack()))
			err = errs.New(errs.Internal, "The plugin has a bug: its %s panicked.", op)
		}
	}()
	return fn(ctx)
}

// fail logs the cause, which does not leave this process, and returns the status.
func (s *Server) fail(op string, err error) error {
	level := hclog.Debug
	if errs.KindOf(withCode(err)) == errs.KindInternal {
		level = hclog.Error
	}
	s.logger.Log(level, "call failed", "op", op, "code", errs.CodeOf(withCode(err)), "err", err)
	return toStatus(err)
}
