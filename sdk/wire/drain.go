package wire

import (
	"context"
	"time"

	"github.com/haul-dl/haul/sdk/downloader"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

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
	return s.slot.Close(ctx, s.calls, grace, func(ctx context.Context, d downloader.Driver) error {
		if c, ok := d.(downloader.Closer); ok {
			return c.Close(ctx)
		}
		return nil
	})
}
