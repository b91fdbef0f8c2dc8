package wire

import (
	"context"
	"errors"
	"regexp"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

const maxFields = 100

var codePattern = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)

// errorToProto describes err for the other side; nil for nil. The cause stays
// here, since it may hold secrets and paths.
func errorToProto(err error) *pb.ErrorDetail {
	if err == nil {
		return nil
	}
	err = withCode(err)
	kind, _ := kindToProto(errs.KindOf(err))
	d := &pb.ErrorDetail{
		Code:      clean(string(errs.CodeOf(err)), maxID),
		Kind:      kind,
		Message:   clean(errs.MessageOf(err), maxText),
		Hint:      clean(errs.HintOf(err), maxText),
		Retryable: errs.IsRetryable(err),
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		for _, f := range e.Fields[:min(len(e.Fields), maxFields)] {
			d.Fields = append(d.Fields, &pb.ErrorField{Name: clean(f.Name, maxName), Message: clean(f.Message, maxText)})
		}
	}
	return d
}

// withCode gives bare context errors their code.
func withCode(err error) error {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return errs.Wrap(err, errs.DeadlineExceeded, "It took too long.")
	case errors.Is(err, context.Canceled):
		return errs.Wrap(err, errs.Canceled, "The caller gave up.")
	}
	return err
}

// errorFromProto is the reverse of errorToProto.
func errorFromProto(d *pb.ErrorDetail) error {
	if d == nil {
		return nil
	}
	return detailed(d)
}

// detailed makes an error of what the other side says, all of it checked.
func detailed(d *pb.ErrorDetail) *errs.Error {
	code := errs.Code(d.GetCode())
	if !codePattern.MatchString(d.GetCode()) {
		code = errs.DownloaderError
	}
	retryable := d.GetRetryable()
	e := &errs.Error{
		Code:      code,
		Kind:      kindFromProto(d.GetKind()),
		Msg:       clean(d.GetMessage(), maxText),
		Hint:      clean(d.GetHint(), maxText),
		Retryable: &retryable,
	}
	if e.Msg == "" {
		e.Msg = code.Title()
	}
	for _, f := range d.GetFields()[:min(len(d.GetFields()), maxFields)] {
		e.Fields = append(e.Fields, errs.Field{Name: clean(f.GetName(), maxName), Message: clean(f.GetMessage(), maxText)})
	}
	return e
}

// toStatus makes a gRPC status of err.
func toStatus(err error) error {
	d := errorToProto(err)
	_, code := kindToProto(kindFromProto(d.GetKind()))
	st, detailErr := status.New(code, d.GetMessage()).WithDetails(d)
	if detailErr != nil {
		return status.Error(codes.Internal, "error without details")
	}
	return st.Err()
}

// fromStatus makes an error of what a call to the plugin returned.
func fromStatus(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	for _, d := range st.Details() {
		if detail, ok := d.(*pb.ErrorDetail); ok {
			e := detailed(detail)
			e.Op = op
			return e
		}
	}
	return bareStatus(ctx, op, st)
}

// bareStatus makes an error of a status without a detail: the transport's, or
// that of a plugin that sends none.
func bareStatus(ctx context.Context, op string, st *status.Status) error {
	e := &errs.Error{Op: op, Err: errors.New(clean(st.Message(), maxText))}
	switch ctxErr := ctx.Err(); {
	case errors.Is(ctxErr, context.DeadlineExceeded) || st.Code() == codes.DeadlineExceeded:
		e.Code, e.Err = errs.DeadlineExceeded, context.DeadlineExceeded
	case ctxErr != nil:
		e.Code, e.Err = errs.Canceled, ctxErr
	case st.Code() == codes.Canceled:
		// Nobody here gave up: the connection was closed.
		e.Code = errs.PluginCrashed
	default:
		e.Code = fallbackCode(st.Code())
	}
	return e
}
