package wire_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/wire"
)

// BenchmarkCheck is one tick of a thousand running jobs.
func BenchmarkCheck(b *testing.B) {
	impl := &fake{check: func(_ context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
		out := make([]downloader.Status, 0, len(refs))
		for _, r := range refs {
			out = append(out, downloader.Status{
				JobID: r.JobID, Phase: downloader.PhaseDownloading, Name: "a-file-of-usual-length.iso",
				TotalBytes: 1 << 30, DoneBytes: 1 << 20, DownloadRate: 1 << 16, Peers: 12,
			})
		}
		return out, nil
	}}
	cc, _ := serve(b, func(s *grpc.Server) { wire.RegisterServer(s, impl, hclog.NewNullLogger()) })
	d, err := wire.NewClient(cc, wire.ProtocolVersion).Configure(b.Context(), downloader.Config{})
	if err != nil {
		b.Fatal(err)
	}
	refs := make([]downloader.Ref, 1000)
	for i := range refs {
		refs[i] = downloader.Ref{JobID: fmt.Sprintf("0195%032d", i), Opaque: []byte("0123456789abcdef")}
	}
	for b.Loop() {
		if statuses, err := d.Check(b.Context(), refs); err != nil || len(statuses) != len(refs) {
			b.Fatal(len(statuses), err)
		}
	}
}
