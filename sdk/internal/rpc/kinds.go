package rpc

import (
	"google.golang.org/grpc/codes"

	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// kinds says how each kind of error travels. fallback is the code of an error
// that came without a detail, where Errors.Bare has none.
var kinds = []struct {
	kind     errs.Kind
	wire     pb.ErrorKind
	status   codes.Code
	fallback errs.Code
}{
	{errs.KindInvalid, pb.ErrorKind_ERROR_KIND_INVALID, codes.InvalidArgument, errs.InvalidRequest},
	{errs.KindUnauthenticated, pb.ErrorKind_ERROR_KIND_UNAUTHENTICATED, codes.Unauthenticated, errs.Unauthenticated},
	{errs.KindForbidden, pb.ErrorKind_ERROR_KIND_FORBIDDEN, codes.PermissionDenied, errs.Forbidden},
	{errs.KindNotFound, pb.ErrorKind_ERROR_KIND_NOT_FOUND, codes.NotFound, errs.NotFound},
	{errs.KindConflict, pb.ErrorKind_ERROR_KIND_CONFLICT, codes.FailedPrecondition, errs.Conflict},
	{errs.KindTooLarge, pb.ErrorKind_ERROR_KIND_TOO_LARGE, codes.OutOfRange, errs.BodyTooLarge},
	{errs.KindUnsupported, pb.ErrorKind_ERROR_KIND_UNSUPPORTED, codes.Unimplemented, errs.NotOffered},
	{errs.KindExhausted, pb.ErrorKind_ERROR_KIND_EXHAUSTED, codes.ResourceExhausted, errs.Unavailable},
	{errs.KindUnavailable, pb.ErrorKind_ERROR_KIND_UNAVAILABLE, codes.Unavailable, errs.PluginCrashed},
	{errs.KindCanceled, pb.ErrorKind_ERROR_KIND_CANCELED, codes.Canceled, errs.Canceled},
	{errs.KindInternal, pb.ErrorKind_ERROR_KIND_INTERNAL, codes.Internal, errs.Internal},
}

func kindToProto(k errs.Kind) (pb.ErrorKind, codes.Code) {
	for _, row := range kinds {
		if row.kind == k {
			return row.wire, row.status
		}
	}
	return pb.ErrorKind_ERROR_KIND_INTERNAL, codes.Internal
}

func kindFromProto(k pb.ErrorKind) errs.Kind {
	for _, row := range kinds {
		if row.wire == k {
			return row.kind
		}
	}
	return errs.KindInternal
}

func fallbackCode(c codes.Code) errs.Code {
	for _, row := range kinds {
		if row.status == c {
			return row.fallback
		}
	}
	return errs.Internal
}
