package rpc

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

// ErrorToProto describes err for the other side; nil for nil. The cause stays
// here, since it may hold secrets and paths.
func ErrorToProto(err error) *pb.ErrorDetail {
	if err == nil {
		return nil
	}
	err = WithCode(err)
	kind, _ := kindToProto(errs.KindOf(err))
	d := &pb.ErrorDetail{
		Code:      Clean(string(errs.CodeOf(err)), MaxID),
		Kind:      kind,
		Message:   Clean(errs.MessageOf(err), MaxText),
		Hint:      Clean(errs.HintOf(err), MaxText),
		Retryable: errs.IsRetryable(err),
	}
	if e, ok := errors.AsType[*errs.Error](err); ok {
		for _, f := range e.Fields[:min(len(e.Fields), maxFields)] {
			d.Fields = append(d.Fields, &pb.ErrorField{Name: Clean(f.Name, MaxName), Message: Clean(f.Message, MaxText)})
		}
	}
	return d
}

// WithCode gives bare context errors their code.
func WithCode(err error) error {
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

// Errors makes errors of what the plugins of one contract say.
type Errors struct {
	// Vague is the code of an error whose own is no code.
	Vague errs.Code
	// Bare has the codes of errors that come without a detail, as plugins in
	// other languages may send them, by their status; what is not in it is taken
	// for the same by each contract.
	Bare map[codes.Code]errs.Code
}

// FromProto is the reverse of ErrorToProto.
func (t *Errors) FromProto(d *pb.ErrorDetail) error {
	if d == nil {
		return nil
	}
	return t.detailed(d)
}

// detailed makes an error of what the other side says, all of it checked.
func (t *Errors) detailed(d *pb.ErrorDetail) *errs.Error {
	code := errs.Code(d.GetCode())
	if !codePattern.MatchString(d.GetCode()) {
		code = t.Vague
	}
	retryable := d.GetRetryable()
	e := &errs.Error{
		Code:      code,
		Kind:      kindFromProto(d.GetKind()),
		Msg:       Clean(d.GetMessage(), MaxText),
		Hint:      Clean(d.GetHint(), MaxText),
		Retryable: &retryable,
	}
	if e.Msg == "" {
		e.Msg = code.Title()
	}
	for _, f := range d.GetFields()[:min(len(d.GetFields()), maxFields)] {
		e.Fields = append(e.Fields, errs.Field{Name: Clean(f.GetName(), MaxName), Message: Clean(f.GetMessage(), MaxText)})
	}
	return e
}

// ToStatus makes a gRPC status of err.
func ToStatus(err error) error {
	d := ErrorToProto(err)
	_, code := kindToProto(kindFromProto(d.GetKind()))
	st, detailErr := status.New(code, d.GetMessage()).WithDetails(d)
	if detailErr != nil {
		return status.Error(codes.Internal, "error without details")
	}
	return st.Err()
}

// FromStatus makes an error of what a call to the plugin returned.
func (t *Errors) FromStatus(ctx context.Context, op string, err error) error {
	if err == nil {
		return nil
	}
	st := status.Convert(err)
	for _, d := range st.Details() {
		if detail, ok := d.(*pb.ErrorDetail); ok {
			e := t.detailed(detail)
			e.Op = op
			return e
		}
	}
	return t.bareStatus(ctx, op, st)
}

// bareStatus makes an error of a status without a detail: the transport's, or
// that of a plugin that sends none.
func (t *Errors) bareStatus(ctx context.Context, op string, st *status.Status) error {
	e := &errs.Error{Op: op, Err: errors.New(Clean(st.Message(), MaxText))}
	switch ctxErr := ctx.Err(); {
	case errors.Is(ctxErr, context.DeadlineExceeded) || st.Code() == codes.DeadlineExceeded:
		e.Code, e.Err = errs.DeadlineExceeded, context.DeadlineExceeded
	case ctxErr != nil:
		e.Code, e.Err = errs.Canceled, ctxErr
	case st.Code() == codes.Canceled:
		// Nobody here gave up: the connection was closed.
		e.Code = errs.PluginCrashed
	default:
		e.Code = t.bare(st.Code())
	}
	return e
}

func (t *Errors) bare(c codes.Code) errs.Code {
	if code, ok := t.Bare[c]; ok {
		return code
	}
	return fallbackCode(c)
}
