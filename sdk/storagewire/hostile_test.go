package storagewire_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/plugintest/scriptedstorage"
	down "github.com/haul-dl/haul/sdk/proto/downloader/v1"
	pb "github.com/haul-dl/haul/sdk/proto/storage/v1"
	"github.com/haul-dl/haul/sdk/storage"
)

// liar answers what it likes.
type liar struct {
	pb.UnimplementedStorageServer
	description *pb.Description
	object      *pb.Object
	err         error
	put         func(grpc.BidiStreamingServer[pb.PutRequest, pb.PutResponse]) error
}

func (l *liar) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{Description: l.description}, nil
}

func (l *liar) Configure(context.Context, *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return &pb.ConfigureResponse{}, nil
}

func (l *liar) Stat(context.Context, *pb.StatRequest) (*pb.StatResponse, error) {
	return &pb.StatResponse{Object: l.object}, l.err
}

func (l *liar) Put(s grpc.BidiStreamingServer[pb.PutRequest, pb.PutResponse]) error { return l.put(s) }

func (l *liar) Space(context.Context, *pb.SpaceRequest) (*pb.SpaceResponse, error) {
	return &pb.SpaceResponse{Free: -77, Total: 5}, nil
}

func (l *liar) Test(context.Context, *pb.TestRequest) (*pb.TestResponse, error) {
	r := &pb.TestResponse{Version: strings.Repeat("v", 5000)}
	for range 1000 {
		r.Checks = append(r.Checks, &down.TestCheck{Name: strings.Repeat("n", 2000), Err: &down.ErrorDetail{Code: "No Code!"}})
	}
	return r, nil
}

func TestDescriptionsAreChecked(t *testing.T) {
	good := func() *pb.Description { return &pb.Description{Name: "s3", SettingsSchema: []byte(`{}`)} }
	tests := []struct {
		name   string
		change func(*pb.Description)
		ok     bool
	}{
		{"a good one", func(*pb.Description) {}, true},
		{"no name", func(d *pb.Description) { d.Name = "" }, false},
		{"a name that is a path", func(d *pb.Description) { d.Name = "../s3" }, false},
		{"no schema", func(d *pb.Description) { d.SettingsSchema = nil }, false},
		{"a schema that is no JSON", func(d *pb.Description) { d.SettingsSchema = []byte("{") }, false},
		{"a schema of a megabyte", func(d *pb.Description) { d.SettingsSchema = []byte(`"` + strings.Repeat("x", 1<<20) + `"`) }, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := good()
			tt.change(d)
			c := serve(t, func(s *grpc.Server) { pb.RegisterStorageServer(s, &liar{description: d}) })
			if _, err := c.Describe(testContext(t)); (err == nil) != tt.ok || err != nil && !errs.Is(err, errs.PluginIncompatible) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestObjectsAreChecked(t *testing.T) {
	sha := strings.Repeat("AB", 32)
	tests := []struct {
		name   string
		object *pb.Object
		want   storage.Object
		code   errs.Code
	}{
		{"none", nil, storage.Object{}, errs.StorageError},
		{"a negative size", &pb.Object{Size: -1}, storage.Object{}, errs.StorageError},
		{"hashes in capitals", &pb.Object{Size: 1, Sha256: sha}, storage.Object{Path: "f", Size: 1, SHA256: strings.ToLower(sha)}, ""},
		{"hashes that are none", &pb.Object{Sha256: "x", Sha1: sha, Md5: strings.Repeat("z", 32)}, storage.Object{Path: "f"}, ""},
		{"a time that is none", &pb.Object{ModTime: &timestamppb.Timestamp{Nanos: -1}}, storage.Object{Path: "f"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := connectRaw(t, &liar{object: tt.object}).Stat(testContext(t), "f")
			if got != tt.want || tt.code == "" && err != nil || tt.code != "" && !errs.Is(err, tt.code) {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
}

func TestErrorsWithoutADetailGetTheCodeOfAStorage(t *testing.T) {
	for code, want := range map[codes.Code]errs.Code{
		codes.NotFound: errs.NotFound, codes.AlreadyExists: errs.DestinationExists, codes.Unauthenticated: errs.StorageAuthFailed,
		codes.PermissionDenied: errs.StorageError, codes.ResourceExhausted: errs.StorageError, codes.Unimplemented: errs.NotOffered,
		codes.Unavailable: errs.PluginCrashed, codes.Internal: errs.Internal,
	} {
		_, err := connectRaw(t, &liar{err: status.Error(code, "no")}).Stat(testContext(t), "f")
		if !errs.Is(err, want) {
			t.Errorf("%s: got %v, want %s", code, err, want)
		}
	}
}

func TestALongTestIsCut(t *testing.T) {
	r, err := connectRaw(t, &liar{}).Test(testContext(t))
	if err != nil || len(r.Version) > 1024 || len(r.Checks) != 100 || len(r.Checks[0].Name) > 1024 || !errs.Is(r.Checks[0].Err, errs.StorageError) {
		t.Errorf("got %d checks, %v", len(r.Checks), err)
	}
	space, err := connectRaw(t, &liar{}).Space(testContext(t))
	if err != nil || space != (storage.Space{Free: -1, Total: 5}) {
		t.Errorf("got %+v, %v", space, err)
	}
}

func TestPathsThatTheContractDoesNotHaveAreRefused(t *testing.T) {
	d := configure(t, connect(t, scriptedstorage.Plugin{}), `{}`)
	for _, path := range []string{"", ".", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", "a\x00b", "\xff", strings.Repeat("a", 5000)} {
		_, putErr := d.Put(testContext(t), storage.PutRequest{Path: path, Content: strings.NewReader("")})
		for op, err := range map[string]error{"put": putErr, "remove": d.Remove(testContext(t), path)} {
			if !errs.Is(err, errs.NameNotPossible) {
				t.Errorf("%s %.20q: got %v", op, path, err)
			}
		}
	}
	if o, err := d.Stat(testContext(t), "."); err != nil || !o.Dir {
		t.Errorf("the top: %+v, %v", o, err)
	}
}

func TestAnswersToAPutAreChecked(t *testing.T) {
	send := func(responses ...*pb.PutResponse) func(grpc.BidiStreamingServer[pb.PutRequest, pb.PutResponse]) error {
		return func(s grpc.BidiStreamingServer[pb.PutRequest, pb.PutResponse]) error {
			for _, r := range responses {
				if err := s.Send(r); err != nil {
					return err
				}
			}
			for {
				if _, err := s.Recv(); err != nil {
					return nil //nolint:nilerr // the end of the request
				}
			}
		}
	}
	done := func(n int64) *pb.PutResponse { return &pb.PutResponse{Part: &pb.PutResponse_Done{Done: n}} }
	object := &pb.PutResponse{Part: &pb.PutResponse_Object{Object: &pb.Object{Size: 3}}}
	tests := []struct {
		name string
		put  func(grpc.BidiStreamingServer[pb.PutRequest, pb.PutResponse]) error
		code errs.Code
	}{
		{"progress out of bounds", send(done(-5), done(1<<60), object), ""},
		{"no object", send(done(3)), errs.StorageError},
		{"an object that is none", send(&pb.PutResponse{Part: &pb.PutResponse_Object{Object: &pb.Object{Size: -3}}}), errs.StorageError},
		{"an empty message", send(&pb.PutResponse{}, object), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := connectRaw(t, &liar{put: tt.put}).Put(testContext(t), storage.PutRequest{
				Path: "f", Size: 3, Content: strings.NewReader("abc"), Progress: func(n int64) {
					if n < 0 || n > 3 {
						t.Errorf("progress %d of 3", n)
					}
				},
			})
			if tt.code == "" && err != nil || tt.code != "" && !errs.Is(err, tt.code) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAPutEndsWithTheErrorOfItsContent(t *testing.T) {
	d := configure(t, connect(t, scriptedstorage.Plugin{}), `{}`)
	boom := errors.New("the disk is gone")
	_, err := d.Put(testContext(t), storage.PutRequest{Path: "f", Size: 4 << 20, Content: io.MultiReader(strings.NewReader("abc"), failing{boom})})
	if !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
	_, err = d.Put(testContext(t), storage.PutRequest{Path: "f", Size: 5, Content: strings.NewReader("abc")})
	if !errs.Is(err, errs.FilesChanged) {
		t.Errorf("a file that is too short: %v", err)
	}
	if _, err := d.Stat(testContext(t), "f"); !errs.Is(err, errs.NotFound) {
		t.Errorf("a part of it is seen: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// strange is a driver that panics, and waits.
type strange struct {
	storage.Driver
	cut chan error
}

func (s strange) Describe(context.Context) (storage.Description, error) {
	return storage.Description{}, nil
}

func (s strange) Configure(context.Context, storage.Config) (storage.Driver, error) { return s, nil }

func (s strange) Put(ctx context.Context, req storage.PutRequest) (storage.Object, error) {
	if req.Path == "panic" {
		panic("no")
	}
	<-ctx.Done()
	_, err := io.ReadAll(req.Content)
	s.cut <- err
	return storage.Object{}, ctx.Err()
}

func (strange) Test(context.Context) (downloader.TestResult, error) {
	return downloader.TestResult{}, nil
}

func TestAPanicFailsThePutAlone(t *testing.T) {
	d := configure(t, connect(t, strange{}), `{}`)
	_, err := d.Put(testContext(t), storage.PutRequest{Path: "panic", Size: 3, Content: strings.NewReader("abc")})
	if !errs.Is(err, errs.Internal) {
		t.Errorf("got %v", err)
	}
	if _, err := d.Test(testContext(t)); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestThePluginSeesThatAPutIsGivenUp(t *testing.T) {
	p := strange{cut: make(chan error, 1)}
	d := configure(t, connect(t, p), `{}`)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := d.Put(ctx, storage.PutRequest{Path: "slow", Size: 8 << 20, Content: io.LimitReader(zeros{}, 8<<20)})
	if !errs.Is(err, errs.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if err := <-p.cut; err == nil {
		t.Error("the plugin takes half a file for a whole one")
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestAPluginIsConfiguredOnceAndClosedOnce(t *testing.T) {
	c := connect(t, scriptedstorage.Plugin{})
	d := configure(t, c, `{}`)
	if _, err := c.Configure(testContext(t), storage.Config{Settings: []byte(`{}`)}); !errs.Is(err, errs.Conflict) {
		t.Errorf("twice: %v", err)
	}
	if err := c.Drain(testContext(t), time.Second); err != nil {
		t.Error(err)
	}
	if _, err := d.Stat(testContext(t), "f"); !errs.Is(err, errs.Unavailable) {
		t.Errorf("after the drain: %v", err)
	}
	if _, err := connect(t, scriptedstorage.Plugin{}).Configure(testContext(t), storage.Config{Settings: []byte(`7`)}); !errs.Is(err, errs.InvalidSettings) {
		t.Errorf("wrong settings: %v", err)
	}
}
