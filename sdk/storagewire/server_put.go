package storagewire

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/storage/v1"
	"github.com/haul-dl/haul/sdk/storage"
)

// progressEvery is how often the caller hears of a file under way.
const progressEvery = 200 * time.Millisecond

type putServer = grpc.BidiStreamingServer[pb.PutRequest, pb.PutResponse]

// Put implements the contract.
func (s *Server) Put(stream putServer) error {
	_, err := drive(stream.Context(), s, "put", func(ctx context.Context, d storage.Driver) (*struct{}, error) {
		req, err := putRequest(stream)
		if err != nil {
			return nil, err
		}
		obj, err := putAndTell(ctx, d, req, stream)
		if err != nil {
			return nil, err
		}
		return nil, stream.Send(&pb.PutResponse{Part: &pb.PutResponse_Object{Object: objectToProto(obj)}})
	})
	return err
}

// putRequest reads the header.
func putRequest(stream putServer) (storage.PutRequest, error) {
	msg, err := stream.Recv()
	if err != nil {
		return storage.PutRequest{}, errs.Wrap(err, errs.InvalidRequest, "The file has no header.")
	}
	h := msg.GetHeader()
	if h == nil {
		return storage.PutRequest{}, errs.New(errs.InvalidRequest, "The file's content came before its header.")
	}
	req := storage.PutRequest{
		Path: h.GetPath(), Size: h.GetSize(), ModTime: timeOf(h.GetModTime()), Overwrite: h.GetOverwrite(),
		Content: &content{stream: stream, left: h.GetSize()},
	}
	return req, checkPut(&req)
}

// putAndTell stores a file and tells the caller how far it is. Both are over
// when it returns.
func putAndTell(ctx context.Context, d storage.Driver, req storage.PutRequest, stream putServer) (storage.Object, error) {
	var done atomic.Int64
	req.Progress = done.Store
	over, told := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(told)
		tell(&done, stream, over)
	}()
	// It also ends where the driver panics.
	defer func() { <-told }()
	defer close(over)
	return d.Put(ctx, req)
}

// tell sends the progress until over is closed.
func tell(done *atomic.Int64, stream putServer, over <-chan struct{}) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	var last int64
	for {
		select {
		case <-over:
			return
		case <-tick.C:
		}
		now := done.Load()
		if now == last {
			continue
		}
		if stream.Send(&pb.PutResponse{Part: &pb.PutResponse_Done{Done: now}}) != nil {
			return // the caller is gone, which the content tells the driver
		}
		last = now
	}
}

// content is what comes in after a header: exactly as many bytes as that said,
// or an error. It is read by one goroutine at a time.
type content struct {
	stream putServer
	left   int64
	rest   []byte
	err    error
}

// Read implements io.Reader.
func (c *content) Read(p []byte) (int, error) {
	for len(c.rest) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		c.next()
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// next takes the next message, and past the last byte looks that none follows:
// only then the file is whole.
func (c *content) next() {
	msg, err := c.stream.Recv()
	switch {
	case errors.Is(err, io.EOF) && c.left == 0:
		c.err = io.EOF
	case errors.Is(err, io.EOF):
		c.err = errs.Wrap(io.ErrUnexpectedEOF, errs.FilesChanged, "The file's content ended early.")
	case err != nil:
		c.err = errs.Wrap(err, errs.Canceled, "The caller gave up.")
	case len(msg.GetContent()) > maxChunk, int64(len(msg.GetContent())) > c.left:
		c.err = errs.New(errs.InvalidRequest, "The file's content is longer than its header says.")
	default:
		c.rest = msg.GetContent()
		c.left -= int64(len(c.rest))
	}
}
