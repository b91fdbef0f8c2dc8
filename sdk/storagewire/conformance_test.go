package storagewire_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
	"github.com/haul-dl/haul/sdk/plugintest/storageconformance"
	pb "github.com/haul-dl/haul/sdk/proto/storage/v1"
	"github.com/haul-dl/haul/sdk/storage"
	"github.com/haul-dl/haul/sdk/storagewire"
)

// serve runs a gRPC server in memory and returns a client of it.
func serve(t *testing.T, register func(*grpc.Server)) *storagewire.Client {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	srv := grpc.NewServer()
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
	t.Cleanup(func() {
		_ = cc.Close()
		srv.Stop()
		<-done
	})
	return storagewire.NewClient(cc)
}

func connect(t *testing.T, p storage.Plugin) *storagewire.Client {
	t.Helper()
	return serve(t, storagewire.NewServer(p, hclog.NewNullLogger()).Register)
}

func connectRaw(t *testing.T, raw pb.StorageServer) storage.Driver {
	t.Helper()
	return configure(t, serve(t, func(s *grpc.Server) { pb.RegisterStorageServer(s, raw) }), `{}`)
}

func configure(t *testing.T, c *storagewire.Client, settings string) storage.Driver {
	t.Helper()
	d, err := c.Configure(testContext(t), storage.Config{StorageID: "s", Settings: []byte(settings), Logger: hclog.NewNullLogger()})
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

func TestAStorageKeepsTheContract(t *testing.T) {
	t.Run("in this process", func(t *testing.T) {
		storageconformance.Run(t, func(*testing.T) storage.Driver {
			return scriptedstorage.New(scriptedstorage.Settings{Capacity: 1 << 30})
		})
	})
	t.Run("over the wire", func(t *testing.T) {
		storageconformance.Run(t, func(t *testing.T) storage.Driver {
			t.Helper()
			return configure(t, connect(t, scriptedstorage.Plugin{}), `{"capacity":1073741824}`)
		})
	})
}
