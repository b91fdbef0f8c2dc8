package wire_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
	"github.com/haul-dl/haul/sdk/wire"
)

func nullLogger() hclog.Logger { return hclog.NewNullLogger() }

type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func TestAPanicFailsOneCallAlone(t *testing.T) {
	var log buffer
	impl := &fake{
		add:    func(context.Context, downloader.AddRequest) (downloader.Ref, error) { panic("boom") },
		remove: func(downloader.Ref, bool) error { return nil },
		watch:  func(context.Context, func([]downloader.Status)) error { panic("boom") },
	}
	cc, _ := serve(t, func(s *grpc.Server) {
		wire.RegisterServer(s, impl, hclog.New(&hclog.LoggerOptions{Output: &log}))
	})
	d := configure(t, wire.NewClient(cc, wire.ProtocolVersion))
	if _, err := d.Add(testContext(t), downloader.AddRequest{}); !errs.Is(err, errs.Internal) || strings.Contains(err.Error(), "boom") {
		t.Errorf("Add: %v", err)
	}
	if err := d.(downloader.Watcher).Watch(testContext(t), nil); !errs.Is(err, errs.Internal) {
		t.Errorf("Watch: %v", err)
	}
	must(t, d.Remove(testContext(t), downloader.Ref{}, false))
	if got := log.String(); !strings.Contains(got, "boom") || !strings.Contains(got, "server_test.go") {
		t.Errorf("the log lacks the panic or its stack: %s", got)
	}
}

func TestConfigureComesFirstAndOnce(t *testing.T) {
	wrong := true
	c := connect(t, &fake{
		describe: func() (downloader.Description, error) {
			return downloader.Description{Name: "x", SettingsSchema: []byte("{}")}, nil
		},
		configure: func(downloader.Config) error {
			if wrong {
				return errs.New(errs.InvalidSettings, "No.").WithField("address", "missing")
			}
			return nil
		},
		check: func(context.Context, []downloader.Ref) ([]downloader.Status, error) { return nil, nil },
	})
	ctx := testContext(t)
	_, err := c.Describe(ctx)
	must(t, err)

	_, err = c.Configure(ctx, downloader.Config{})
	var e *errs.Error
	if !errors.As(err, &e) || e.Code != errs.InvalidSettings || len(e.Fields) != 1 || e.Fields[0].Name != "address" {
		t.Fatalf("wrong settings: %v", err)
	}
	wrong = false
	d, err := c.Configure(ctx, downloader.Config{})
	must(t, err)
	if _, err := c.Configure(ctx, downloader.Config{}); !errs.Is(err, errs.Conflict) {
		t.Errorf("second Configure: %v", err)
	}
	if _, err := d.Check(ctx, []downloader.Ref{{JobID: "j"}}); err != nil {
		t.Errorf("Check after it: %v", err)
	}
}

func TestWhatIsNotOfferedSaysSo(t *testing.T) {
	d := configure(t, connect(t, plain{}))
	ctx := testContext(t)
	_, testErr := d.(downloader.Tester).Test(ctx)
	_, listErr := d.(downloader.Lister).List(ctx)
	for name, err := range map[string]error{
		"Test": testErr, "List": listErr, "Watch": d.(downloader.Watcher).Watch(ctx, nil),
	} {
		if !errs.Is(err, errs.NotOffered) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDrainWaitsForCallsAndClosesOnce(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	watching := make(chan struct{})
	impl := &fake{
		closed: make(chan struct{}),
		add: func(context.Context, downloader.AddRequest) (downloader.Ref, error) {
			close(entered)
			<-release
			return downloader.Ref{}, nil
		},
		watch: func(ctx context.Context, _ func([]downloader.Status)) error {
			close(watching)
			<-ctx.Done()
			return ctx.Err()
		},
		remove: func(downloader.Ref, bool) error { return nil },
	}
	c := connect(t, impl)
	d := configure(t, c)
	ctx := testContext(t)

	added, watched, drained := make(chan error, 1), make(chan error, 1), make(chan error, 1)
	go func() { watched <- d.(downloader.Watcher).Watch(ctx, nil) }()
	go func() { _, err := d.Add(ctx, downloader.AddRequest{}); added <- err }()
	<-entered
	<-watching
	go func() { drained <- c.Drain(ctx, time.Minute) }()
	if err := <-watched; !errs.Is(err, errs.Canceled) {
		t.Errorf("Watch ended with %v", err)
	}
	if err := d.Remove(ctx, downloader.Ref{}, false); !errs.Is(err, errs.Unavailable) {
		t.Errorf("new call while draining: %v", err)
	}
	select {
	case <-impl.closed:
		t.Error("the driver was closed under a call")
	default:
	}
	close(release)
	must(t, <-added)
	must(t, <-drained)
	<-impl.closed
	must(t, c.Drain(ctx, time.Second))
}

func TestDrainCutsWhatDoesNotEnd(t *testing.T) {
	entered := make(chan struct{})
	impl := &fake{
		closed: make(chan struct{}),
		add: func(ctx context.Context, _ downloader.AddRequest) (downloader.Ref, error) {
			close(entered)
			<-ctx.Done()
			return downloader.Ref{}, ctx.Err()
		},
	}
	c := connect(t, impl)
	d := configure(t, c)
	ctx := testContext(t)
	added := make(chan error, 1)
	go func() { _, err := d.Add(ctx, downloader.AddRequest{}); added <- err }()
	<-entered
	if err := c.Drain(ctx, time.Millisecond); !errs.Is(err, errs.DeadlineExceeded) {
		t.Errorf("Drain: %v", err)
	}
	if err := <-added; !errs.Is(err, errs.Canceled) {
		t.Errorf("Add: %v", err)
	}
	<-impl.closed
}

func TestCallsBeforeConfigureAreRefused(t *testing.T) {
	cc, _ := serve(t, func(s *grpc.Server) { wire.RegisterServer(s, &fake{}, nullLogger()) })
	_, err := pb.NewDownloaderClient(cc).Add(testContext(t), &pb.AddRequest{})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("got %v", err)
	}
}

func TestSelectingNoFileNeverReachesADriver(t *testing.T) {
	c := connect(t, &fake{order: func(op string, _ downloader.Ref, _ []int, _ downloader.Limits) error {
		t.Errorf("%s was called", op)
		return nil
	}})
	err := configure(t, c).(downloader.FileSelector).SelectFiles(testContext(t), downloader.Ref{}, nil)
	if !errs.Is(err, errs.InvalidRequest) {
		t.Errorf("SelectFiles: %v", err)
	}
}

func TestAPluginOfTheOlderVersionClaimsNothingOfTheNewer(t *testing.T) {
	impl := &fake{describe: func() (downloader.Description, error) {
		return downloader.Description{
			Name: "x", SettingsSchema: []byte("{}"),
			Capabilities: []downloader.Capability{downloader.CapabilityTest, downloader.CapabilityPause, downloader.CapabilitySelectFiles},
		}, nil
	}}
	cc, _ := serve(t, func(s *grpc.Server) { wire.RegisterServer(s, impl, hclog.NewNullLogger()) })
	d, err := wire.NewClient(cc, wire.OldestVersion).Describe(testContext(t))
	must(t, err)
	same(t, "capabilities", d.Capabilities, []downloader.Capability{downloader.CapabilityTest})
}
