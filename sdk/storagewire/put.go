package storagewire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/storage/v1"
	"github.com/haul-dl/haul/sdk/storage"
)

type putClient = grpc.BidiStreamingClient[pb.PutRequest, pb.PutResponse]

// Put implements storage.Driver. What req.Content fails with is returned as it
// is. Nobody reads the content after Put has returned.
func (d *driver) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	if err := checkPut(&req); err != nil {
		return storage.Object{}, err
	}
	outer := ctx
	ctx, cancel := context.WithCancel(ctx)
	stream, err := d.rpc.Put(ctx, callOptions()...)
	if err != nil {
		cancel()
		return storage.Object{}, failures.FromStatus(outer, "put", err)
	}
	sent := make(chan error, 1)
	go func() {
		err := send(stream, &req)
		if err != nil {
			cancel() // a half-close would look like a whole file
		}
		sent <- err
	}()
	obj, err := received(stream, &req)
	cancel()
	if sendErr := <-sent; sendErr != nil {
		return storage.Object{}, sendErr
	}
	if err != nil {
		return storage.Object{}, putError(outer, err)
	}
	return obj, nil
}

// putError makes an error of what receiving failed with.
func putError(ctx context.Context, err error) error {
	if errors.Is(err, io.EOF) {
		return errs.New(errs.StorageError, "The plugin did not say what it has stored.")
	}
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	return failures.FromStatus(ctx, "put", err)
}

func checkPut(req *storage.PutRequest) error {
	if req.Size < 0 {
		return errs.New(errs.InvalidRequest, "The size of a file cannot be below 0.")
	}
	return checkPath(req.Path, false)
}

// send sends the file. It returns errors of the content alone: those of the
// stream come to the receiver.
func send(stream putClient, req *storage.PutRequest) error {
	header := &pb.PutHeader{Path: req.Path, Size: req.Size, Overwrite: req.Overwrite}
	if !req.ModTime.IsZero() {
		header.ModTime = timestamppb.New(req.ModTime)
	}
	if stream.Send(&pb.PutRequest{Part: &pb.PutRequest_Header{Header: header}}) != nil {
		return nil //nolint:nilerr // it comes to the receiver
	}
	for left := req.Size; left > 0; {
		// gRPC may look at a message after Send has returned.
		content := make([]byte, min(left, chunk))
		if _, err := io.ReadFull(req.Content, content); err != nil {
			return contentError(err)
		}
		if stream.Send(&pb.PutRequest{Part: &pb.PutRequest_Content{Content: content}}) != nil {
			return nil //nolint:nilerr // as above
		}
		left -= int64(len(content))
	}
	_ = stream.CloseSend() // its errors come to the receiver
	return nil
}

// contentError says in a code that the content ended too early.
func contentError(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errs.Wrap(io.ErrUnexpectedEOF, errs.FilesChanged, "The file is shorter than it was.")
	}
	return err
}

// received hands on the progress until the object comes.
func received(stream putClient, req *storage.PutRequest) (storage.Object, error) {
	var done int64
	for {
		resp, err := stream.Recv()
		if err != nil {
			return storage.Object{}, err
		}
		if o := resp.GetObject(); o != nil {
			return objectFromProto(req.Path, o)
		}
		// A plugin may start a file over; then it goes back.
		done = max(0, min(resp.GetDone(), req.Size))
		if req.Progress != nil {
			req.Progress(done)
		}
	}
}
