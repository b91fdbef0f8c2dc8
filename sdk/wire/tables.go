package wire

import (
	"google.golang.org/grpc/codes"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/internal/rpc"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// failures makes errors of what a plugin says.
var failures = rpc.Errors{Vague: errs.DownloaderError, Bare: map[codes.Code]errs.Code{
	codes.Unauthenticated: errs.DownloaderAuthFailed, codes.PermissionDenied: errs.DownloaderError,
	codes.NotFound: errs.JobNotFound, codes.ResourceExhausted: errs.DownloaderError,
}}

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
