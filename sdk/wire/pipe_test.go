package wire_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/haul-dl/haul/sdk/downloader"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
	"github.com/haul-dl/haul/sdk/wire"
)

// serve runs a gRPC server in memory and returns a connection to it, and what
// kills the server.
func serve(t testing.TB, register func(*grpc.Server)) (*grpc.ClientConn, func()) {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(grpc.MaxRecvMsgSize(64 << 20))
	register(srv)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(lis)
	}()
	cc, err := grpc.NewClient("passthrough:///plugin",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		srv.Stop()
		<-done
	}
	t.Cleanup(func() {
		_ = cc.Close()
		stop()
	})
	return cc, stop
}

func connect(t *testing.T, p downloader.Plugin) *wire.Client {
	t.Helper()
	cc, _ := serve(t, func(s *grpc.Server) { wire.RegisterServer(s, p, hclog.NewNullLogger()) })
	return wire.NewClient(cc, wire.ProtocolVersion)
}

// connectRaw returns a client of a plugin that says what raw says.
func connectRaw(t *testing.T, raw pb.DownloaderServer) *wire.Client {
	t.Helper()
	cc, _ := serve(t, func(s *grpc.Server) { pb.RegisterDownloaderServer(s, raw) })
	return wire.NewClient(cc, wire.ProtocolVersion)
}

func configure(t *testing.T, c *wire.Client) downloader.Driver {
	t.Helper()
	d, err := c.Configure(testContext(t), downloader.Config{Logger: hclog.NewNullLogger()})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
