package wire

import (
	"google.golang.org/grpc/codes"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// kinds says how each kind of error travels. fallback is the code of an error
// that came without a detail, as plugins in other languages may send it.
var kinds = []struct {
	kind     errs.Kind
	wire     pb.ErrorKind
	status   codes.Code
	fallback errs.Code
}{
	{errs.KindInvalid, pb.ErrorKind_ERROR_KIND_INVALID, codes.InvalidArgument, errs.InvalidRequest},
	{errs.KindUnauthenticated, pb.ErrorKind_ERROR_KIND_UNAUTHENTICATED, codes.Unauthenticated, errs.DownloaderAuthFailed},
	{errs.KindForbidden, pb.ErrorKind_ERROR_KIND_FORBIDDEN, codes.PermissionDenied, errs.DownloaderError},
	{errs.KindNotFound, pb.ErrorKind_ERROR_KIND_NOT_FOUND, codes.NotFound, errs.JobNotFound},
	{errs.KindConflict, pb.ErrorKind_ERROR_KIND_CONFLICT, codes.FailedPrecondition, errs.Conflict},
	{errs.KindTooLarge, pb.ErrorKind_ERROR_KIND_TOO_LARGE, codes.OutOfRange, errs.BodyTooLarge},
	{errs.KindUnsupported, pb.ErrorKind_ERROR_KIND_UNSUPPORTED, codes.Unimplemented, errs.NotOffered},
	{errs.KindExhausted, pb.ErrorKind_ERROR_KIND_EXHAUSTED, codes.ResourceExhausted, errs.DownloaderError},
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

// pair joins a name of package downloader with its number on the wire.
type pair[A ~string, B ~int32] struct {
	name A
	wire B
}

func toWire[A ~string, B ~int32](table []pair[A, B], name A) B {
	for _, p := range table {
		if p.name == name {
			return p.wire
		}
	}
	return 0
}

func fromWire[A ~string, B ~int32](table []pair[A, B], wire B) (A, bool) {
	for _, p := range table {
		if p.wire == wire {
			return p.name, true
		}
	}
	return "", false
}

var phases = []pair[downloader.Phase, pb.Phase]{
	{downloader.PhaseUnknown, pb.Phase_PHASE_UNSPECIFIED},
	{downloader.PhaseQueued, pb.Phase_PHASE_QUEUED},
	{downloader.PhaseMetadata, pb.Phase_PHASE_METADATA},
	{downloader.PhaseChecking, pb.Phase_PHASE_CHECKING},
	{downloader.PhaseDownloading, pb.Phase_PHASE_DOWNLOADING},
	{downloader.PhasePaused, pb.Phase_PHASE_PAUSED},
	{downloader.PhaseSeeding, pb.Phase_PHASE_SEEDING},
	{downloader.PhaseComplete, pb.Phase_PHASE_COMPLETE},
	{downloader.PhaseFailed, pb.Phase_PHASE_FAILED},
	{downloader.PhaseGone, pb.Phase_PHASE_GONE},
}

var sourceKinds = []pair[downloader.SourceKind, pb.SourceKind]{
	{downloader.SourceMagnet, pb.SourceKind_SOURCE_KIND_MAGNET},
	{downloader.SourceTorrent, pb.SourceKind_SOURCE_KIND_TORRENT},
	{downloader.SourceHTTP, pb.SourceKind_SOURCE_KIND_HTTP},
	{downloader.SourceFTP, pb.SourceKind_SOURCE_KIND_FTP},
	{downloader.SourceMetalink, pb.SourceKind_SOURCE_KIND_METALINK},
}

var capabilities = []pair[downloader.Capability, pb.Capability]{
	{downloader.CapabilityTest, pb.Capability_CAPABILITY_TEST},
	{downloader.CapabilityWatch, pb.Capability_CAPABILITY_WATCH},
	{downloader.CapabilityList, pb.Capability_CAPABILITY_LIST},
	{downloader.CapabilityPause, pb.Capability_CAPABILITY_PAUSE},
	{downloader.CapabilitySelectFiles, pb.Capability_CAPABILITY_SELECT_FILES},
	{downloader.CapabilitySetLimits, pb.Capability_CAPABILITY_SET_LIMITS},
}
