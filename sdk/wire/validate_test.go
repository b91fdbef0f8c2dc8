package wire_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	pb "github.com/haul-dl/haul/sdk/proto/downloader/v1"
)

// liar answers what it likes.
type liar struct {
	pb.UnimplementedDownloaderServer
	description *pb.Description
	ref         *pb.Ref
	statuses    []*pb.Status
	jobs        []*pb.Listed
}

func (l *liar) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	return &pb.DescribeResponse{Description: l.description}, nil
}

func (l *liar) Configure(context.Context, *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	return &pb.ConfigureResponse{}, nil
}

func (l *liar) Add(context.Context, *pb.AddRequest) (*pb.AddResponse, error) {
	return &pb.AddResponse{Ref: l.ref}, nil
}

func (l *liar) Check(context.Context, *pb.CheckRequest) (*pb.CheckResponse, error) {
	return &pb.CheckResponse{Statuses: l.statuses}, nil
}

func (l *liar) List(context.Context, *pb.ListRequest) (*pb.ListResponse, error) {
	return &pb.ListResponse{Jobs: l.jobs}, nil
}

func TestDescriptionsWithoutANameOrSchemaAreRefused(t *testing.T) {
	for name, d := range map[string]*pb.Description{
		"nothing at all":           nil,
		"a name with a slash":      {Name: "../x", SettingsSchema: []byte("{}")},
		"a name in upper case":     {Name: "Aria2", SettingsSchema: []byte("{}")},
		"a schema that is no JSON": {Name: "x", SettingsSchema: []byte("{")},
		"a schema without end":     {Name: "x", SettingsSchema: []byte(`"` + strings.Repeat("x", 300<<10) + `"`)},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connectRaw(t, &liar{description: d}).Describe(testContext(t))
			if !errs.Is(err, errs.PluginIncompatible) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestUnknownCapabilitiesAreLeftOut(t *testing.T) {
	d, err := connectRaw(t, &liar{description: &pb.Description{
		Name: "x", SettingsSchema: []byte("{}"),
		Capabilities: []pb.Capability{99, pb.Capability_CAPABILITY_LIST}, Sources: []pb.SourceKind{0, 99, pb.SourceKind_SOURCE_KIND_HTTP},
	}}).Describe(testContext(t))
	must(t, err)
	if !slices.Equal(d.Capabilities, []downloader.Capability{downloader.CapabilityList}) || !slices.Equal(d.Sources, []downloader.SourceKind{downloader.SourceHTTP}) {
		t.Errorf("got %v and %v", d.Capabilities, d.Sources)
	}
}

func checkOne(t *testing.T, s *pb.Status) downloader.Status {
	t.Helper()
	s.JobId = "j"
	d := configure(t, connectRaw(t, &liar{statuses: []*pb.Status{s}}))
	got, err := d.Check(testContext(t), []downloader.Ref{{JobID: "j"}})
	must(t, err)
	if len(got) != 1 {
		t.Fatalf("got %d statuses", len(got))
	}
	return got[0]
}

func TestStatusesAreRepaired(t *testing.T) {
	got := checkOne(t, &pb.Status{
		Phase: 99, TotalBytes: -1, DoneBytes: -1, UploadedBytes: -1, DownloadRate: -1, UploadRate: -1, Peers: -1, Seeds: -1,
		Name: strings.Repeat("é", 1000), Message: strings.Repeat("x", 10_000), InfoHash: "nonsense",
	})
	want := downloader.Status{JobID: "j", Phase: downloader.PhaseUnknown, Name: strings.Repeat("é", 512), Message: strings.Repeat("x", 4096)}
	same(t, "Status", got, want)
}

func TestInfoHashesAreInLowerCase(t *testing.T) {
	if got := checkOne(t, &pb.Status{InfoHash: strings.Repeat("AB", 20)}).InfoHash; got != strings.Repeat("ab", 20) {
		t.Errorf("got %q", got)
	}
	if got := checkOne(t, &pb.Status{InfoHash: strings.Repeat("xy", 20)}).InfoHash; got != "" {
		t.Errorf("got %q", got)
	}
}

func TestAFailureAlwaysHasAReason(t *testing.T) {
	if got := checkOne(t, &pb.Status{Phase: pb.Phase_PHASE_FAILED}).Err; !errs.Is(got, errs.DownloaderError) {
		t.Errorf("got %v", got)
	}
}

func TestFilesOutsideOfTheJobAreRefused(t *testing.T) {
	for _, path := range []string{"", "/etc/passwd", "../x", "a/../../x", "a\x00b", strings.Repeat("x", 5000)} {
		files := []*pb.File{{Path: "fine"}, {Path: path}}
		if got := checkOne(t, &pb.Status{Phase: pb.Phase_PHASE_COMPLETE, Files: files}); got.Phase != downloader.PhaseFailed || !errs.Is(got.Err, errs.UnsafeFile) || got.Files != nil {
			t.Errorf("complete with %.20q: %+v", path, got)
		}
		if got := checkOne(t, &pb.Status{Phase: pb.Phase_PHASE_DOWNLOADING, Files: files}); got.Phase != downloader.PhaseDownloading || got.Files != nil {
			t.Errorf("downloading with %.20q: %+v", path, got)
		}
	}
}

func TestJobsThatNobodyAskedForAreDropped(t *testing.T) {
	d := configure(t, connectRaw(t, &liar{statuses: []*pb.Status{
		{JobId: "other"}, {JobId: "j", Name: "first"}, {JobId: "j", Name: "second"}, {},
	}}))
	got, err := d.Check(testContext(t), []downloader.Ref{{JobID: "j"}})
	must(t, err)
	if len(got) != 1 || got[0].Name != "first" {
		t.Errorf("got %+v", got)
	}
}

func TestRefsThatCannotBeStoredAreRefused(t *testing.T) {
	huge := &pb.Ref{JobId: "j", Opaque: make([]byte, 4097)}
	d := configure(t, connectRaw(t, &liar{ref: huge, jobs: []*pb.Listed{{Ref: huge}, {Name: "fine"}}}))
	if _, err := d.Add(testContext(t), downloader.AddRequest{JobID: "j"}); !errs.Is(err, errs.PluginIncompatible) {
		t.Errorf("Add: %v", err)
	}
	jobs, err := d.(downloader.Lister).List(testContext(t))
	must(t, err)
	if len(jobs) != 1 || jobs[0].Name != "fine" {
		t.Errorf("List: %+v", jobs)
	}
}

func TestARefKeepsTheJobThatItWasMadeFor(t *testing.T) {
	d := configure(t, connectRaw(t, &liar{ref: &pb.Ref{JobId: "another", Opaque: []byte("x")}}))
	ref, err := d.Add(testContext(t), downloader.AddRequest{JobID: "j"})
	must(t, err)
	if ref.JobID != "j" {
		t.Errorf("got the ref of job %q", ref.JobID)
	}
}

func TestRequestsThatAreNotUTF8AreRefused(t *testing.T) {
	d := configure(t, connectRaw(t, &liar{}))
	if _, err := d.Add(testContext(t), downloader.AddRequest{Source: downloader.Source{URI: "http://h/\xff"}}); !errs.Is(err, errs.InvalidSource) {
		t.Errorf("got %v", err)
	}
}
