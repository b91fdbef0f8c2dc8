package pluginhost

import (
	"context"
	"io"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

const (
	// messageCost is what the smallest message of a stream costs, in bytes.
	messageCost = 512
	// maxPause bounds the wait for one message, however large it was.
	maxPause = 5 * time.Second
)

// pace slows a plugin that sends more than haul should spend its time on: what
// is not read fills the pipe or gRPC's window, and then its sender waits.
type pace struct {
	rate float64 // bytes a second

	mu     sync.Mutex // guards what follows
	tokens float64
	last   time.Time
}

// newPace allows one second's worth at once.
func newPace(rate float64) *pace { return &pace{rate: rate, tokens: rate, last: time.Now()} }

// spend returns how long to wait after n bytes.
func (p *pace) spend(now time.Time, n int) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens = min(p.rate, p.tokens+p.rate*now.Sub(p.last).Seconds()) - float64(n)
	p.last = now
	if p.tokens >= 0 {
		return 0
	}
	return min(maxPause, time.Duration(-p.tokens/p.rate*float64(time.Second)))
}

// wait waits for n bytes, as long as ctx lasts.
func (p *pace) wait(ctx context.Context, n int) {
	pause := p.spend(time.Now(), n)
	if pause == 0 {
		return
	}
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// pacedReader reads at a pace.
type pacedReader struct {
	io.Reader
	pace *pace
}

// Read implements io.Reader.
func (r pacedReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	r.pace.wait(context.Background(), n)
	return n, err
}

// streams returns an interceptor that receives the messages of streams at a pace.
func (p *pace) streams() grpc.StreamClientInterceptor {
	return func(ctx context.Context, d *grpc.StreamDesc, cc *grpc.ClientConn, method string, open grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
		s, err := open(ctx, d, cc, method, opts...)
		if err != nil {
			return nil, err
		}
		return pacedStream{s, p}, nil
	}
}

type pacedStream struct {
	grpc.ClientStream
	pace *pace
}

// RecvMsg implements grpc.ClientStream.
func (s pacedStream) RecvMsg(m any) error {
	if err := s.ClientStream.RecvMsg(m); err != nil {
		return err
	}
	size := messageCost
	if msg, ok := m.(proto.Message); ok {
		size += proto.Size(msg)
	}
	s.pace.wait(s.Context(), size)
	return nil
}
