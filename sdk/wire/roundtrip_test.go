package wire_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

// filler gives every field of a struct a value of its own.
type filler struct{ n int }

func filled[T any]() T {
	var v T
	(&filler{}).fill(reflect.ValueOf(&v).Elem())
	return v
}

func (f *filler) fill(v reflect.Value) {
	f.n++
	switch v.Interface().(type) {
	case downloader.Phase:
		v.SetString(string(downloader.PhaseFailed))
		return
	case downloader.SourceKind:
		v.SetString(string(downloader.SourceMetalink))
		return
	case downloader.Capability:
		v.SetString(string(downloader.CapabilityWatch))
		return
	case time.Duration:
		v.SetInt(int64(f.n) * int64(time.Millisecond))
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Float64:
		v.SetFloat(float64(f.n) / 2)
	case reflect.String:
		v.SetString(fmt.Sprintf("text-%d", f.n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Uint8, reflect.Uint32:
		v.SetUint(uint64(f.n % 256))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Interface:
		f.fillInterface(v)
	default:
		panic("the test knows no value for a " + v.Type().String())
	}
}

func (f *filler) fillInterface(v reflect.Value) {
	switch v.Type() {
	case reflect.TypeFor[error]():
		v.Set(reflect.ValueOf(fullError(f.n)))
	case reflect.TypeFor[hclog.Logger]():
		v.Set(reflect.ValueOf(hclog.NewNullLogger()))
	default:
		panic("the test knows no value for a " + v.Type().String())
	}
}

func fullError(n int) *errs.Error {
	retryable := true
	return &errs.Error{
		Code: "of_a_third_party", Kind: errs.KindExhausted, Msg: fmt.Sprintf("message-%d", n),
		Hint: "hint", Retryable: &retryable, Fields: []errs.Field{{Name: "a[0].b", Message: "wrong"}},
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s changed on the way:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestEveryFieldSurvivesTheWire(t *testing.T) {
	ctx := testContext(t)
	description := filled[downloader.Description]()
	description.Name, description.SettingsSchema = "a-name", []byte(`{"type":"object"}`)
	description.OptionsSchema = []byte(`{"type":"object","additionalProperties":false}`)
	status := filled[downloader.Status]()
	status.InfoHash = "0123456789abcdef0123456789abcdef01234567"
	var (
		config  = filled[downloader.Config]()
		request = filled[downloader.AddRequest]()
		ref     = filled[downloader.Ref]()
		listed  = []downloader.Listed{filled[downloader.Listed]()}
		result  = filled[downloader.TestResult]()
		limits  = filled[downloader.Limits]()

		gotConfig  downloader.Config
		gotRequest downloader.AddRequest
		gotRefs    []downloader.Ref
		gotOps     []string
		gotFiles   []int
		gotLimits  downloader.Limits
	)
	ref.JobID = request.JobID
	result.LocalAddress = "192.0.2.7"
	c := connect(t, &fake{
		describe:  func() (downloader.Description, error) { return description, nil },
		configure: func(cfg downloader.Config) error { gotConfig = cfg; return nil },
		add: func(_ context.Context, r downloader.AddRequest) (downloader.Ref, error) {
			gotRequest = r
			return ref, nil
		},
		check: func(_ context.Context, refs []downloader.Ref) ([]downloader.Status, error) {
			gotRefs = append(gotRefs, refs...)
			s := status
			s.JobID = refs[0].JobID
			return []downloader.Status{s}, nil
		},
		remove: func(r downloader.Ref, deleteData bool) error {
			gotRefs = append(gotRefs, r)
			if !deleteData {
				t.Error("deleteData got lost")
			}
			return nil
		},
		order: func(op string, r downloader.Ref, files []int, l downloader.Limits) error {
			gotOps, gotRefs = append(gotOps, op), append(gotRefs, r)
			if op == "select" {
				gotFiles = files
			}
			if op == "limit" {
				gotLimits = l
			}
			return nil
		},
		test: func() (downloader.TestResult, error) { return result, nil },
		list: func() ([]downloader.Listed, error) { return listed, nil },
		watch: func(_ context.Context, fn func([]downloader.Status)) error {
			fn([]downloader.Status{status})
			return nil
		},
	})

	gotDescription, err := c.Describe(ctx)
	must(t, err)
	same(t, "Description", gotDescription, description)

	d, err := c.Configure(ctx, config)
	must(t, err)
	config.Logger, gotConfig.Logger = nil, nil
	same(t, "Config", gotConfig, config)

	gotRef, err := d.Add(ctx, request)
	must(t, err)
	same(t, "AddRequest", gotRequest, request)
	same(t, "Ref of Add", gotRef, ref)

	statuses, err := d.Check(ctx, []downloader.Ref{ref})
	must(t, err)
	must(t, d.Remove(ctx, ref, true))
	same(t, "Ref of Check and Remove", gotRefs, []downloader.Ref{ref, ref})
	wantStatus := status
	wantStatus.JobID = ref.JobID
	same(t, "Status of Check", statuses, []downloader.Status{wantStatus})

	gotRefs = nil
	must(t, d.(downloader.Pauser).Pause(ctx, ref))
	must(t, d.(downloader.Pauser).Resume(ctx, ref))
	must(t, d.(downloader.FileSelector).SelectFiles(ctx, ref, request.Files))
	must(t, d.(downloader.Limiter).SetLimits(ctx, ref, limits))
	same(t, "orders", gotOps, []string{"pause", "resume", "select", "limit"})
	same(t, "Ref of orders", gotRefs, []downloader.Ref{ref, ref, ref, ref})
	same(t, "files of SelectFiles", gotFiles, request.Files)
	same(t, "Limits", gotLimits, limits)

	gotResult, err := d.(downloader.Tester).Test(ctx)
	must(t, err)
	same(t, "TestResult", gotResult, result)

	gotListed, err := d.(downloader.Lister).List(ctx)
	must(t, err)
	same(t, "Listed", gotListed, listed)

	var watched []downloader.Status
	err = d.(downloader.Watcher).Watch(ctx, func(s []downloader.Status) { watched = append(watched, s...) })
	same(t, "Status of Watch", watched, []downloader.Status{status})
	if !errs.Is(err, errs.Unavailable) {
		t.Errorf("Watch ended with %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryEnumSurvivesTheWire(t *testing.T) {
	phases := []downloader.Phase{
		downloader.PhaseUnknown, downloader.PhaseQueued, downloader.PhaseMetadata, downloader.PhaseChecking,
		downloader.PhaseDownloading, downloader.PhasePaused, downloader.PhaseSeeding, downloader.PhaseComplete,
		downloader.PhaseFailed, downloader.PhaseGone,
	}
	description := downloader.Description{
		Name: "x", SettingsSchema: []byte("{}"),
		Sources: []downloader.SourceKind{
			downloader.SourceMagnet, downloader.SourceTorrent, downloader.SourceHTTP, downloader.SourceFTP, downloader.SourceMetalink,
		},
		Capabilities: []downloader.Capability{
			downloader.CapabilityTest, downloader.CapabilityWatch, downloader.CapabilityList,
			downloader.CapabilityPause, downloader.CapabilitySelectFiles, downloader.CapabilitySetLimits,
		},
	}
	c := connect(t, &fake{
		describe: func() (downloader.Description, error) { return description, nil },
		check: func(_ context.Context, refs []downloader.Ref) (out []downloader.Status, _ error) {
			for i, r := range refs {
				out = append(out, downloader.Status{JobID: r.JobID, Phase: phases[i]})
			}
			return out, nil
		},
	})
	got, err := c.Describe(testContext(t))
	must(t, err)
	same(t, "Description", got, description)

	var refs []downloader.Ref
	for _, p := range phases {
		refs = append(refs, downloader.Ref{JobID: string(p)})
	}
	statuses, err := configure(t, c).Check(testContext(t), refs)
	must(t, err)
	for _, s := range statuses {
		if s.JobID != string(s.Phase) {
			t.Errorf("phase %q arrived as %q", s.JobID, s.Phase)
		}
	}
}

func TestCheckAsksForAThousandJobsAtOnce(t *testing.T) {
	var pages []int
	c := connect(t, &fake{check: func(_ context.Context, refs []downloader.Ref) (out []downloader.Status, _ error) {
		pages = append(pages, len(refs))
		for _, r := range refs {
			out = append(out, downloader.Status{JobID: r.JobID, Phase: downloader.PhaseQueued})
		}
		return out, nil
	}})
	refs := make([]downloader.Ref, 2500)
	for i := range refs {
		refs[i].JobID = fmt.Sprint(i)
	}
	statuses, err := configure(t, c).Check(testContext(t), refs)
	must(t, err)
	if len(statuses) != len(refs) {
		t.Errorf("got %d statuses for %d jobs", len(statuses), len(refs))
	}
	same(t, "pages", pages, []int{1000, 1000, 500})
}

func TestATorrentOfTenMebibytesFitsIntoAdd(t *testing.T) {
	var got int
	c := connect(t, &fake{add: func(_ context.Context, r downloader.AddRequest) (downloader.Ref, error) {
		got = len(r.Source.Content)
		return downloader.Ref{}, nil
	}})
	_, err := configure(t, c).Add(testContext(t), downloader.AddRequest{Source: downloader.Source{Content: make([]byte, 10<<20)}})
	must(t, err)
	if got != 10<<20 {
		t.Errorf("%d bytes arrived", got)
	}
}
