package storagewire

import (
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/internal/rpc"
	down "github.com/haul-dl/haul/sdk/proto/downloader/v1"
	pb "github.com/haul-dl/haul/sdk/proto/storage/v1"
	"github.com/haul-dl/haul/sdk/storage"
)

var pluginName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,63}$`)

func descriptionToProto(d storage.Description) *pb.Description {
	return &pb.Description{
		Name:           rpc.Clean(d.Name, rpc.MaxName),
		Version:        rpc.Clean(d.Version, rpc.MaxName),
		DisplayName:    rpc.Clean(d.DisplayName, rpc.MaxName),
		SettingsSchema: d.SettingsSchema,
	}
}

func descriptionFromProto(d *pb.Description) (storage.Description, error) {
	out := storage.Description{
		Name:           d.GetName(),
		Version:        rpc.Clean(d.GetVersion(), rpc.MaxName),
		DisplayName:    rpc.Clean(d.GetDisplayName(), rpc.MaxName),
		SettingsSchema: d.GetSettingsSchema(),
	}
	if !pluginName.MatchString(out.Name) {
		return storage.Description{}, errs.New(errs.PluginIncompatible, "The plugin gives no valid name: at most 64 lower-case letters, digits and dashes.")
	}
	if len(out.SettingsSchema) > maxSchema || !json.Valid(out.SettingsSchema) {
		return storage.Description{}, errs.New(errs.PluginIncompatible, "The plugin %s gives no valid JSON Schema of its settings.", out.Name)
	}
	return out, nil
}

func objectToProto(o storage.Object) *pb.Object {
	out := &pb.Object{
		Dir: o.Dir, Size: o.Size,
		Sha256: rpc.Clean(o.SHA256, rpc.MaxID), Sha1: rpc.Clean(o.SHA1, rpc.MaxID), Md5: rpc.Clean(o.MD5, rpc.MaxID),
	}
	if !o.ModTime.IsZero() {
		out.ModTime = timestamppb.New(o.ModTime)
	}
	return out
}

// objectFromProto returns what is at a path. A hash that cannot be one is as
// good as none.
func objectFromProto(path string, o *pb.Object) (storage.Object, error) {
	if o == nil {
		return storage.Object{}, errs.New(errs.StorageError, "The plugin did not say what is stored there.")
	}
	if o.GetSize() < 0 {
		return storage.Object{}, errs.New(errs.StorageError, "The plugin reports a file with a size below 0.")
	}
	return storage.Object{
		Path: path, Dir: o.GetDir(), Size: o.GetSize(),
		SHA256: digits(o.GetSha256(), 32), SHA1: digits(o.GetSha1(), 20), MD5: digits(o.GetMd5(), 16),
		ModTime: timeOf(o.GetModTime()),
	}, nil
}

// digits returns the hash in lower case, or nothing where it is none of so many
// bytes.
func digits(hash string, size int) string {
	if len(hash) != 2*size {
		return ""
	}
	if _, err := hex.DecodeString(hash); err != nil {
		return ""
	}
	return strings.ToLower(hash)
}

func timeOf(t *timestamppb.Timestamp) time.Time {
	if !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

func durationOf(d *durationpb.Duration) time.Duration { return max(0, d.AsDuration()) }

func testToProto(r downloader.TestResult) *pb.TestResponse {
	out := &pb.TestResponse{Version: rpc.Clean(r.Version, rpc.MaxName), Took: durationpb.New(max(0, r.Took))}
	for _, c := range r.Checks {
		out.Checks = append(out.Checks, &down.TestCheck{
			Name: rpc.Clean(c.Name, rpc.MaxName), Message: rpc.Clean(c.Message, rpc.MaxText), Err: rpc.ErrorToProto(c.Err),
		})
	}
	return out
}

func testFromProto(r *pb.TestResponse) downloader.TestResult {
	out := downloader.TestResult{Version: rpc.Clean(r.GetVersion(), rpc.MaxName), Took: durationOf(r.GetTook())}
	for _, c := range r.GetChecks()[:min(len(r.GetChecks()), maxChecks)] {
		out.Checks = append(out.Checks, downloader.TestCheck{
			Name: rpc.Clean(c.GetName(), rpc.MaxName), Message: rpc.Clean(c.GetMessage(), rpc.MaxText), Err: failures.FromProto(c.GetErr()),
		})
	}
	return out
}
