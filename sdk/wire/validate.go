package wire

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"net/netip"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/internal/rpc"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

const (
	maxOpaque = 4 << 10
	maxSchema = 256 << 10
	maxFiles  = 1_000_000
	maxChecks = 100
	// maxReserved is how many reserved options a plugin may name.
	maxReserved = 1000
)

var pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

func descriptionFromProto(d *pb.Description) (downloader.Description, error) {
	out := downloader.Description{
		Name:           d.GetName(),
		Version:        rpc.Clean(d.GetVersion(), rpc.MaxName),
		DisplayName:    rpc.Clean(d.GetDisplayName(), rpc.MaxName),
		SettingsSchema: d.GetSettingsSchema(),
		Managed:        d.GetManaged(),
		ManagedHint:    rpc.Clean(d.GetManagedHint(), rpc.MaxText),
		OptionsSchema:  d.GetOptionsSchema(),
	}
	if !pluginName.MatchString(out.Name) {
		return downloader.Description{}, errs.New(errs.PluginIncompatible, "The plugin gives no valid name: at most 64 lower-case letters, digits and dashes.")
	}
	if len(out.SettingsSchema) > maxSchema || !json.Valid(out.SettingsSchema) {
		return downloader.Description{}, errs.New(errs.PluginIncompatible, "The plugin %s gives no valid JSON Schema of its settings.", out.Name)
	}
	if len(out.OptionsSchema) > maxSchema || len(out.OptionsSchema) > 0 && !json.Valid(out.OptionsSchema) {
		return downloader.Description{}, errs.New(errs.PluginIncompatible, "The plugin %s gives no valid JSON Schema of its options.", out.Name)
	}
	if len(d.GetReservedOptions()) > maxReserved {
		return downloader.Description{}, errs.New(errs.PluginIncompatible, "The plugin %s reserves more than %d options.", out.Name, maxReserved)
	}
	for _, key := range d.GetReservedOptions() {
		out.ReservedOptions = append(out.ReservedOptions, rpc.Clean(key, rpc.MaxName))
	}
	for _, k := range d.GetSources() {
		if kind, ok := fromWire(sourceKinds, k); ok {
			out.Sources = append(out.Sources, kind)
		}
	}
	for _, c := range d.GetCapabilities() {
		if capability, ok := fromWire(capabilities, c); ok {
			out.Capabilities = append(out.Capabilities, capability)
		}
	}
	return out, nil
}

// refFromProto returns the ref, and whether the host can store it.
func refFromProto(r *pb.Ref) (downloader.Ref, bool) {
	ref := downloader.Ref{JobID: rpc.Clean(r.GetJobId(), rpc.MaxID), Version: r.GetVersion(), Opaque: r.GetOpaque()}
	return ref, len(ref.Opaque) <= maxOpaque
}

func sourceFromProto(s *pb.Source) downloader.Source {
	kind, _ := fromWire(sourceKinds, s.GetKind())
	return downloader.Source{Kind: kind, URI: s.GetUri(), Content: s.GetContent(), Name: s.GetName()}
}

func indexesFromProto(in []int32) []int {
	if len(in) == 0 {
		return nil
	}
	out := make([]int, 0, len(in))
	for _, i := range in {
		out = append(out, int(i))
	}
	return out
}

func limitsFromProto(l *pb.Limits) downloader.Limits {
	out := downloader.Limits{DownloadRate: max(0, l.GetDownloadRate()), UploadRate: max(0, l.GetUploadRate())}
	if s := l.GetSeed(); s != nil {
		out.Seed = &downloader.SeedLimits{Ratio: s.GetRatio(), Time: durationOf(s.GetTime()), Idle: durationOf(s.GetIdle())}
		if !(out.Seed.Ratio > 0) || math.IsInf(out.Seed.Ratio, 0) { // neither negative nor NaN
			out.Seed.Ratio = 0
		}
	}
	return out
}

func statusFromProto(s *pb.Status) downloader.Status {
	phase, ok := fromWire(phases, s.GetPhase())
	if !ok {
		phase = downloader.PhaseUnknown
	}
	out := downloader.Status{
		JobID:         rpc.Clean(s.GetJobId(), rpc.MaxID),
		Phase:         phase,
		Name:          rpc.Clean(s.GetName(), rpc.MaxName),
		InfoHash:      infoHash(s.GetInfoHash()),
		TotalBytes:    max(0, s.GetTotalBytes()),
		DoneBytes:     max(0, s.GetDoneBytes()),
		UploadedBytes: max(0, s.GetUploadedBytes()),
		DownloadRate:  max(0, s.GetDownloadRate()),
		UploadRate:    max(0, s.GetUploadRate()),
		Peers:         int(max(0, s.GetPeers())),
		Seeds:         int(max(0, s.GetSeeds())),
		Message:       rpc.Clean(s.GetMessage(), rpc.MaxText),
		Err:           failures.FromProto(s.GetErr()),
	}
	files, err := filesFromProto(s.GetFiles())
	out.Files = files
	// Before the data is there the list is a hint, and a bad one is worth nothing.
	// After it, delivering without a file would pass for success.
	if err != nil && phase.HasData() {
		out.Phase, out.Err = downloader.PhaseFailed, err
	}
	if out.Phase == downloader.PhaseFailed && out.Err == nil {
		out.Err = errs.New(errs.DownloaderError, "The downloader gave up without a reason.")
	}
	return out
}

func filesFromProto(in []*pb.File) ([]downloader.File, error) {
	if len(in) == 0 {
		return nil, nil
	}
	if len(in) > maxFiles {
		return nil, errs.New(errs.UnsafeFile, "The download has %d files, which is more than %d.", len(in), maxFiles)
	}
	out := make([]downloader.File, 0, len(in))
	for _, f := range in {
		path := f.GetPath()
		if f.GetIndex() < 0 || len(path) > rpc.MaxPath || path != rpc.Clean(path, rpc.MaxPath) ||
			strings.ContainsRune(path, 0) || !filepath.IsLocal(filepath.FromSlash(path)) {
			return nil, errs.New(errs.UnsafeFile, "The downloader reports a file that is not inside of the job's folder.")
		}
		out = append(out, downloader.File{
			Index: int(f.GetIndex()), Path: path, Size: max(0, f.GetSize()), DoneBytes: max(0, f.GetDoneBytes()),
			Skipped: f.GetSkipped(),
		})
	}
	return out, nil
}

// infoHash returns h in lower case, or nothing where it is no v1 info hash.
func infoHash(h string) string {
	if len(h) != 40 {
		return ""
	}
	if _, err := hex.DecodeString(h); err != nil {
		return ""
	}
	return strings.ToLower(h)
}

func testFromProto(r *pb.TestResponse) downloader.TestResult {
	out := downloader.TestResult{Version: rpc.Clean(r.GetVersion(), rpc.MaxName), Took: durationOf(r.GetTook())}
	if ip, err := netip.ParseAddr(r.GetLocalAddress()); err == nil {
		out.LocalAddress = ip.String()
	}
	for _, c := range r.GetChecks()[:min(len(r.GetChecks()), maxChecks)] {
		out.Checks = append(out.Checks, downloader.TestCheck{
			Name: rpc.Clean(c.GetName(), rpc.MaxName), Message: rpc.Clean(c.GetMessage(), rpc.MaxText), Err: failures.FromProto(c.GetErr()),
		})
	}
	return out
}
