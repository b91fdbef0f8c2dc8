package storagewire

import (
	"context"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/haul-dl/haul/sdk/internal/rpc"
	pb "github.com/haul-dl/haul/sdk/proto/storage/v1"
	"github.com/haul-dl/haul/sdk/storage"
)

// Server offers a plugin to another process. A panic in a call of the plugin
// fails that call alone.
type Server struct {
	pb.UnimplementedStorageServer

	impl  storage.Plugin
	calls *rpc.Calls
	slot  rpc.Slot[storage.Driver]
}

// NewServer returns a server of impl, which logs to logger.
func NewServer(impl storage.Plugin, logger hclog.Logger) *Server {
	return &Server{impl: impl, calls: rpc.NewCalls(logger)}
}

// Register offers the plugin on g.
func (s *Server) Register(g *grpc.Server) { pb.RegisterStorageServer(g, s) }

// Describe implements the contract.
func (s *Server) Describe(ctx context.Context, _ *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return rpc.Run(ctx, s.calls, "describe", func(ctx context.Context) (*pb.DescribeResponse, error) {
		d, err := s.impl.Describe(ctx)
		return &pb.DescribeResponse{Description: descriptionToProto(d)}, err
	})
}

// Configure implements the contract.
func (s *Server) Configure(ctx context.Context, req *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return rpc.Run(ctx, s.calls, "configure", func(ctx context.Context) (*pb.ConfigureResponse, error) {
		return &pb.ConfigureResponse{}, s.slot.Fill(func() (storage.Driver, error) {
			return s.impl.Configure(ctx, storage.Config{
				StorageID: req.GetStorageId(), Settings: req.GetSettings(), StateDir: req.GetStateDir(), Logger: s.calls.Logger(),
			})
		})
	})
}

// Stat implements the contract.
func (s *Server) Stat(ctx context.Context, req *pb.StatRequest) (*pb.StatResponse, error) {
	return drive(ctx, s, "stat", func(ctx context.Context, d storage.Driver) (*pb.StatResponse, error) {
		if err := checkPath(req.GetPath(), true); err != nil {
			return nil, err
		}
		o, err := d.Stat(ctx, req.GetPath())
		return &pb.StatResponse{Object: objectToProto(o)}, err
	})
}

// Remove implements the contract.
func (s *Server) Remove(ctx context.Context, req *pb.RemoveRequest) (*pb.RemoveResponse, error) {
	return drive(ctx, s, "remove", func(ctx context.Context, d storage.Driver) (*pb.RemoveResponse, error) {
		if err := checkPath(req.GetPath(), false); err != nil {
			return nil, err
		}
		return &pb.RemoveResponse{}, d.Remove(ctx, req.GetPath())
	})
}

// Test implements the contract.
func (s *Server) Test(ctx context.Context, _ *pb.TestRequest) (*pb.TestResponse, error) {
	return drive(ctx, s, "test", func(ctx context.Context, d storage.Driver) (*pb.TestResponse, error) {
		result, err := d.Test(ctx)
		return testToProto(result), err
	})
}

// Space implements the contract.
func (s *Server) Space(ctx context.Context, _ *pb.SpaceRequest) (*pb.SpaceResponse, error) {
	return drive(ctx, s, "space", func(ctx context.Context, d storage.Driver) (*pb.SpaceResponse, error) {
		space, err := d.Space(ctx)
		return &pb.SpaceResponse{Free: space.Free, Total: space.Total}, err
	})
}

// Drain implements the contract.
func (s *Server) Drain(ctx context.Context, req *pb.DrainRequest) (*pb.DrainResponse, error) {
	if err := s.Close(ctx, durationOf(req.GetGrace())); err != nil {
		return nil, s.calls.Fail("drain", err)
	}
	return &pb.DrainResponse{}, nil
}

// Close refuses new calls, waits for those under way for at most grace, and
// closes the driver, which happens once however often Close is called. It may be
// called concurrently; each call returns after the driver is closed.
func (s *Server) Close(ctx context.Context, grace time.Duration) error {
	return s.slot.Close(ctx, s.calls, grace, func(ctx context.Context, d storage.Driver) error {
		if c, ok := d.(storage.Closer); ok {
			return c.Close(ctx)
		}
		return nil
	})
}

// drive runs a call that needs the driver.
func drive[T any](ctx context.Context, s *Server, op string, fn func(context.Context, storage.Driver) (*T, error)) (*T, error) {
	return rpc.Run(ctx, s.calls, op, func(ctx context.Context) (*T, error) {
		d, err := s.slot.Driver()
		if err != nil {
			return nil, err
		}
		return fn(ctx, d)
	})
}
