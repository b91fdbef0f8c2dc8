package wire_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
	"github.com/haul-dl/haul/sdk/wire"
)

// overTheWire returns what the host gets when a plugin's Add fails with err.
func overTheWire(t *testing.T, d downloader.Driver, to *error, err error) error {
	t.Helper()
	*to = err
	_, got := d.Add(testContext(t), downloader.AddRequest{JobID: "j"})
	return got
}

func failing(t *testing.T) (downloader.Driver, *error) {
	t.Helper()
	var next error
	c := connect(t, &fake{add: func(context.Context, downloader.AddRequest) (downloader.Ref, error) {
		return downloader.Ref{}, next
	}})
	return configure(t, c), &next
}

func sameError(t *testing.T, got, want error) {
	t.Helper()
	if errs.CodeOf(got) != errs.CodeOf(want) || errs.KindOf(got) != errs.KindOf(want) ||
		errs.MessageOf(got) != errs.MessageOf(want) || errs.HintOf(got) != errs.HintOf(want) ||
		errs.IsRetryable(got) != errs.IsRetryable(want) {
		t.Errorf("error changed on the way:\n got %#v\nwant %#v", got, want)
	}
}

func TestEveryCodeSurvivesTheWire(t *testing.T) {
	d, next := failing(t)
	for _, code := range errs.Codes() {
		sent := errs.New(code, "message of %s", code)
		sameError(t, overTheWire(t, d, next, sent), sent)
	}
}

func TestEveryKindSurvivesTheWire(t *testing.T) {
	d, next := failing(t)
	kinds := []errs.Kind{
		errs.KindInvalid, errs.KindUnauthenticated, errs.KindForbidden, errs.KindNotFound, errs.KindConflict, errs.KindTooLarge,
		errs.KindUnsupported, errs.KindExhausted, errs.KindUnavailable, errs.KindCanceled, errs.KindInternal,
	}
	for _, kind := range kinds {
		sent := &errs.Error{Code: "of_a_third_party", Kind: kind, Msg: "m", Hint: "h"}
		sameError(t, overTheWire(t, d, next, sent), sent)
	}
}

func TestCausesStayInThePlugin(t *testing.T) {
	const secret = "password=hunter2"
	d, next := failing(t)
	for name, sent := range map[string]error{
		"an error with a code":    errs.Wrap(errors.New(secret), errs.DownloaderError, "It failed."),
		"an error without a code": errors.New(secret),
	} {
		t.Run(name, func(t *testing.T) {
			if got := overTheWire(t, d, next, sent); strings.Contains(got.Error(), secret) {
				t.Errorf("the cause crossed: %v", got)
			}
		})
	}
}

func TestTextThatIsNotUTF8IsRepaired(t *testing.T) {
	d, next := failing(t)
	got := overTheWire(t, d, next, errs.New(errs.DownloaderError, "bad \xff text").WithField("a\xff", "b\xff"))
	if errs.CodeOf(got) != errs.DownloaderError || errs.MessageOf(got) != "bad \uFFFD text" {
		t.Errorf("got %v", got)
	}
}

func TestTheCallersOwnEndHasItsCode(t *testing.T) {
	entered := make(chan struct{}, 2)
	c := connect(t, &fake{add: func(ctx context.Context, _ downloader.AddRequest) (downloader.Ref, error) {
		entered <- struct{}{}
		<-ctx.Done()
		return downloader.Ref{}, ctx.Err()
	}})
	d := configure(t, c)

	ctx, cancel := context.WithCancel(testContext(t))
	go func() { <-entered; cancel() }()
	if _, err := d.Add(ctx, downloader.AddRequest{}); !errs.Is(err, errs.Canceled) || !errors.Is(err, context.Canceled) {
		t.Errorf("canceled call: %v", err)
	}
	ctx, cancel = context.WithTimeout(testContext(t), 20_000_000)
	defer cancel()
	if _, err := d.Add(ctx, downloader.AddRequest{}); !errs.Is(err, errs.DeadlineExceeded) {
		t.Errorf("call out of time: %v", err)
	}
}

func TestADeadPluginIsACrash(t *testing.T) {
	entered := make(chan struct{})
	impl := &fake{add: func(ctx context.Context, _ downloader.AddRequest) (downloader.Ref, error) {
		close(entered)
		<-ctx.Done()
		return downloader.Ref{}, ctx.Err()
	}}
	cc, stop := serve(t, func(s *grpc.Server) { wire.RegisterServer(s, impl, nullLogger()) })
	d := configure(t, wire.NewClient(cc, wire.ProtocolVersion))
	go func() { <-entered; stop() }()
	if _, err := d.Add(testContext(t), downloader.AddRequest{}); !errs.Is(err, errs.PluginCrashed) {
		t.Errorf("call under way: %v", err)
	}
	if _, err := d.Check(testContext(t), []downloader.Ref{{JobID: "j"}}); !errs.Is(err, errs.PluginCrashed) {
		t.Errorf("later call: %v", err)
	}
}

// bare is a plugin, in another language perhaps, that sends a status alone.
type bare struct {
	pb.UnimplementedDownloaderServer
	err error
}

func (b bare) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return nil, b.err
}

func TestAStatusWithoutADetailGetsACode(t *testing.T) {
	for code, want := range map[codes.Code]errs.Code{
		codes.Unavailable:        errs.PluginCrashed,
		codes.Unimplemented:      errs.NotOffered,
		codes.Unknown:            errs.Internal,
		codes.NotFound:           errs.JobNotFound,
		codes.DeadlineExceeded:   errs.DeadlineExceeded,
		codes.Canceled:           errs.PluginCrashed,
		codes.InvalidArgument:    errs.InvalidRequest,
		codes.FailedPrecondition: errs.Conflict,
	} {
		t.Run(code.String(), func(t *testing.T) {
			_, err := connectRaw(t, bare{err: status.Error(code, "secret words")}).Describe(testContext(t))
			if !errs.Is(err, want) {
				t.Errorf("got %v, want %s", err, want)
			}
			if strings.Contains(errs.MessageOf(err), "secret words") {
				t.Errorf("words that nobody checked reach the user: %v", errs.MessageOf(err))
			}
		})
	}
}

func TestAMalformedCodeIsReplaced(t *testing.T) {
	st, err := status.New(codes.Internal, "x").WithDetails(&pb.ErrorDetail{Code: "Bad Code\n", Kind: pb.ErrorKind_ERROR_KIND_CONFLICT, Message: "m"})
	must(t, err)
	_, got := connectRaw(t, bare{err: st.Err()}).Describe(testContext(t))
	if !errs.Is(got, errs.DownloaderError) || errs.KindOf(got) != errs.KindConflict {
		t.Errorf("got %v of kind %s", got, errs.KindOf(got))
	}
}
