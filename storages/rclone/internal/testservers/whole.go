package main

import (
	"context"
	"errors"
	"io"

	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api/middlewares"
	"github.com/versity/versitygw/s3response"
)

// wholeOnly is a backend that refuses a file which was cut off, as every S3 does;
// versitygw 1.8 by itself takes one for whole where the client has hung up.
type wholeOnly struct{ backend.Backend }

func (b wholeOnly) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	if in.Body == nil || in.ContentLength == nil {
		return b.Backend.PutObject(ctx, in)
	}
	body := &wholeReader{in.Body, *in.ContentLength}
	if sums, ok := in.Body.(middlewares.ChecksumReader); ok {
		in.Body = wholeChecksumReader{body, sums}
	} else {
		in.Body = body
	}
	return b.Backend.PutObject(ctx, in)
}

// errCutOff is not io.ErrUnexpectedEOF, which versitygw takes for an end like any
// other.
var errCutOff = errors.New("the client hung up")

// wholeReader fails where what it reads ends too early.
type wholeReader struct {
	body io.Reader
	left int64
}

func (r *wholeReader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if r.left -= int64(n); errors.Is(err, io.EOF) && r.left > 0 {
		err = errCutOff
	}
	return n, err
}

// wholeChecksumReader is one of a body that knows its checksum.
type wholeChecksumReader struct {
	*wholeReader
	sums middlewares.ChecksumReader
}

func (r wholeChecksumReader) Algorithm() string { return r.sums.Algorithm() }
func (r wholeChecksumReader) Checksum() string  { return r.sums.Checksum() }
