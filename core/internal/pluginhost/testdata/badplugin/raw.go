package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// raw is a plugin without the SDK, which would keep it from what it does.
type raw struct {
	plugin.NetRPCUnsupportedPlugin
	pb.UnimplementedDownloaderServer
	name string
}

// serveRaw serves one version of the contract.
func serveRaw(name string, version int) {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig:  plugin.HandshakeConfig{MagicCookieKey: "HAUL_PLUGIN", MagicCookieValue: "haul.downloader"},
		VersionedPlugins: map[int]plugin.PluginSet{version: {"downloader": &raw{name: name}}},
		GRPCServer:       plugin.DefaultGRPCServer,
	})
	os.Exit(0)
}

func (r *raw) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	pb.RegisterDownloaderServer(s, r)
	return nil
}

func (r *raw) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, fmt.Errorf("not a host")
}

func (r *raw) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	d := &pb.Description{
		Name: r.name, Version: "0.1.0", SettingsSchema: []byte(`{}`),
		Sources: []pb.SourceKind{pb.SourceKind_SOURCE_KIND_HTTP},
		Capabilities: []pb.Capability{
			pb.Capability_CAPABILITY_WATCH, pb.Capability_CAPABILITY_PAUSE, pb.Capability_CAPABILITY_LIST,
		},
	}
	if r.name == "huge" {
		d.DisplayName = strings.Repeat("x", 200<<20)
	}
	return &pb.DescribeResponse{Description: d}, nil
}

func (r *raw) Configure(context.Context, *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return &pb.ConfigureResponse{}, nil
}

func (r *raw) Drain(context.Context, *pb.DrainRequest) (*pb.DrainResponse, error) {
	return &pb.DrainResponse{}, nil
}

// Check lies in the way that the first job's id says.
func (r *raw) Check(_ context.Context, req *pb.CheckRequest) (*pb.CheckResponse, error) {
	out := &pb.CheckResponse{}
	for _, ref := range req.GetRefs() {
		s := &pb.Status{JobId: ref.GetJobId(), Phase: pb.Phase_PHASE_DOWNLOADING}
		switch ref.GetJobId() {
		case "others":
			out.Statuses = append(out.Statuses, &pb.Status{JobId: "never-asked-for", Phase: pb.Phase_PHASE_GONE}, s)
		case "negative":
			s.TotalBytes, s.DoneBytes, s.DownloadRate, s.Peers = -1, -2, -3, -4
			s.Files = []*pb.File{{Path: "a", Size: -5, DoneBytes: -6}}
		case "outside":
			s.Phase = pb.Phase_PHASE_COMPLETE
			s.Files = []*pb.File{{Path: "../../etc/passwd", Size: 1}}
		case "phase":
			s.Phase = 999
		case "files":
			for i := range 1_000_001 {
				s.Files = append(s.Files, &pb.File{Index: int32(i), Path: "f"})
			}
			s.Phase = pb.Phase_PHASE_COMPLETE
		case "latin1":
			out.ProtoReflect().SetUnknown(statusNamed(ref.GetJobId(), "caf\xe9"))
			return out, nil
		case "twice":
			out.Statuses = append(out.Statuses, s)
		case "nothing":
			continue
		}
		out.Statuses = append(out.Statuses, s)
	}
	return out, nil
}

// statusNamed encodes a status whose name need not be UTF-8.
func statusNamed(id, name string) []byte {
	fields := (&pb.Status{}).ProtoReflect().Descriptor().Fields()
	var status []byte
	for field, text := range map[protoreflect.Name]string{"job_id": id, "name": name} {
		status = protowire.AppendTag(status, fields.ByName(field).Number(), protowire.BytesType)
		status = protowire.AppendString(status, text)
	}
	out := protowire.AppendTag(nil, 1, protowire.BytesType)
	return protowire.AppendBytes(out, status)
}

// Watch floods.
func (r *raw) Watch(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	for {
		if err := stream.Send(&pb.WatchResponse{Statuses: []*pb.Status{{JobId: "nobody's"}}}); err != nil {
			return err
		}
	}
}
