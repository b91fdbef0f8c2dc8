package tasks

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/schedule"
	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
)

const testMagnet = "magnet:?xt=urn:btih:dd8255ecdc7ca55fb0bbf81323d87062db1f6d1c"

// threeFiles is a torrent of files with 3, 4 and 5 bytes.
func threeFiles() []byte {
	return []byte("d4:infod5:filesl" +
		"d6:lengthi3e4:pathl1:aee" + "d6:lengthi4e4:pathl1:bee" + "d6:lengthi5e4:pathl1:cee" +
		"e4:name3:set12:piece lengthi16384e6:pieces20:" + strings.Repeat("x", 20) + "ee")
}

// only selects files by their indexes, ascending.
func only(indexes ...int) core.Selection { return core.Selection{Indexes: indexes} }

func refusal(t *testing.T, err error) (errs.Code, string) {
	t.Helper()
	e, ok := errors.AsType[*errs.Error](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if len(e.Fields) == 0 {
		return e.Code, ""
	}
	return e.Code, e.Fields[0].Name
}

func TestAJobGetsWhatTheDownloaderAndTheTaskSay(t *testing.T) {
	w := newWorld(t)
	_, err := w.service.Create(w.alice, &core.NewTask{
		Sources: []core.NewSource{{URI: testMagnet}}, Selection: core.Selection{Indexes: []int{0, 7}}, Options: []byte(`{ "split": 4, "download_limit": 100 }`),
	})
	if err != nil {
		t.Fatal(err)
	}
	job := w.started()
	if !slices.Equal(job.Deliveries[0].Selection.Indexes, []int{0, 7}) || string(job.Options) != `{"split":4}` || job.Limits.DownloadRate != 100 || job.Limits.UploadRate != 5 {
		t.Errorf("job %+v, options %s", job, job.Options)
	}
	w.create(w.alice, "http://h/1")
	if job = w.started(); !job.Deliveries[0].Selection.IsZero() || string(job.Options) != `{"split":3}` || job.Limits.UploadRate != 5 {
		t.Errorf("without any of its own: %+v, options %s", job, job.Options)
	}
}

func TestWrongSelectionsAndOptionsAreRefusedByField(t *testing.T) {
	w := newWorld(t)
	file := core.NewSource{URI: "http://h/1", Field: "sources[0]"}
	torrent := core.NewSource{URI: "a.torrent", Content: threeFiles(), Field: "torrent[0]"}
	tests := []struct {
		name    string
		source  core.NewSource
		files   []int
		options string
		code    errs.Code
		field   string
	}{
		{"a file that the torrent does not have", torrent, []int{0, 3}, "", errs.InvalidRequest, "files"},
		{"a second file of a web address", file, []int{0, 1}, "", errs.InvalidRequest, "files"},
		{"a reserved option", file, nil, `{"Dir":"/etc"}`, errs.OptionNotAllowed, "options.Dir"},
		{"an unknown option", file, nil, `{"splat":1}`, errs.InvalidOptions, "options.splat"},
		{"an option of a wrong value", file, nil, `{"split":0}`, errs.InvalidOptions, "options.split"},
		{"a negative limit", file, nil, `{"upload_limit":-1}`, errs.InvalidOptions, "options.upload_limit"},
		{"no object", file, nil, `7`, errs.InvalidOptions, "options"},
		{"huge options", file, nil, `{"x":"` + strings.Repeat("x", 1<<17) + `"}`, errs.InvalidOptions, "options"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{tt.source}, Selection: core.Selection{Indexes: tt.files}, Options: []byte(tt.options)})
			if code, field := refusal(t, err); code != tt.code || field != tt.field {
				t.Errorf("got %s for %q, want %s for %q", code, field, tt.code, tt.field)
			}
		})
	}
	if page, err := w.service.List(w.alice, &core.TaskQuery{}); err != nil || len(page.Items) != 0 {
		t.Errorf("%d tasks, %v", len(page.Items), err)
	}
}

func TestADownloaderThatCannotSelectOrLimitIsNotChosen(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.Capabilities = []downloader.Capability{downloader.CapabilityPause} })
	_, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: testMagnet}}, Selection: only(0)})
	if code, field := refusal(t, err); code != errs.NotOffered || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
	for name, req := range map[string]*core.NewTask{
		"the only file of a web address": {Sources: []core.NewSource{{URI: "http://h/1"}}, Selection: only(0)},
		"all files of a torrent":         {Sources: []core.NewSource{{URI: "t", Content: threeFiles()}}, Selection: only(0, 1, 2)},
		"an empty selection":             {Sources: []core.NewSource{{URI: testMagnet}}, Selection: core.Selection{}},
	} {
		if v, err := w.service.Create(w.alice, req); err != nil || !v[0].Selection.IsZero() {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

func TestTheSizeOfATorrentIsThatOfTheWantedFiles(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.Trouble = &core.Waiting{Code: errs.DownloaderUnreachable} })
	tasks, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "t", Content: threeFiles()}}, Selection: only(0, 2)})
	if err != nil || tasks[0].TotalBytes != 8 || !tasks[0].Selection.Equal(only(0, 2)) {
		t.Fatalf("%+v, %v", tasks, err)
	}
	id := tasks[0].ID
	for _, tt := range []struct {
		files core.Selection
		total int64
	}{{only(1), 4}, {core.Selection{}, 12}, {only(0, 1, 2), 12}} {
		v, err := w.service.Update(w.alice, id, &core.TaskChange{Selection: &tt.files})
		if err != nil || v.TotalBytes != tt.total || len(v.Selection.Indexes) != len(tt.files.Indexes)%3 {
			t.Errorf("%v: %+v, %v", tt.files, v, err)
		}
	}
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Selection: new(only(3))})
	if code, field := refusal(t, err); code != errs.InvalidRequest || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
}

func TestFilesAndLimitsOfARunningTaskChange(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, testMagnet)[0].ID
	job := w.reported(core.JobDownloading)
	update := func(c core.TaskChange) *core.Job {
		t.Helper()
		if _, err := w.service.Update(w.alice, id, &c); err != nil {
			t.Fatal(err)
		}
		next := w.started()
		if next.Revision <= job.Revision {
			t.Fatalf("the node is told nothing new: %+v", next)
		}
		job = next
		return next
	}
	if j := update(core.TaskChange{Selection: new(only(2, 4))}); !j.Deliveries[0].Selection.Equal(only(2, 4)) {
		t.Errorf("files %+v", j.Deliveries[0].Selection)
	}
	if j := update(core.TaskChange{Options: []byte(`{"download_limit":9}`)}); j.Limits.DownloadRate != 9 || j.Limits.UploadRate != 5 || string(j.Options) != `{"split":3}` {
		t.Errorf("limits %+v, options %s", j.Limits, j.Options)
	}
	if j := update(core.TaskChange{Selection: new(only()), Options: []byte(`{"download_limit":null,"upload_limit":0}`)}); !j.Deliveries[0].Selection.IsZero() || j.Limits.DownloadRate != 0 || j.Limits.UploadRate != 0 {
		t.Errorf("taken away: %+v", j)
	}
	if v := w.get(w.alice, id); string(v.Options) != `{"upload_limit":0}` || !v.Selection.IsZero() {
		t.Errorf("shown: %s, %v", v.Options, v.Selection)
	}
	if _, err := w.service.Update(w.alice, id, &core.TaskChange{Selection: new(only()), Options: []byte(`{"upload_limit":0}`)}); err != nil {
		t.Fatal(err)
	}
	w.idle() // nothing has changed
	_, err := w.service.Update(w.alice, id, &core.TaskChange{Options: []byte(`{"split":4,"upload_limit":1}`)})
	if code, field := refusal(t, err); code != errs.WrongState || field != "options.split" {
		t.Errorf("got %s for %q", code, field)
	}
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Options: []byte(`{"upload_limit":-1}`)})
	if code, field := refusal(t, err); code != errs.InvalidOptions || field != "options.upload_limit" {
		t.Errorf("got %s for %q", code, field)
	}
	w.report(job, core.JobDownloading, func(o *core.ObservedJob) { o.FileCount = 3 })
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Selection: new(only(0, 3))})
	if code, field := refusal(t, err); code != errs.InvalidRequest || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
	w.report(job, core.JobDelivering, nil)
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Selection: new(only(1))})
	if code, field := refusal(t, err); code != errs.WrongState || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
	if j := update(core.TaskChange{Options: []byte(`{"upload_limit":7}`)}); j.Limits.UploadRate != 7 {
		t.Errorf("limits while transferring: %+v", j.Limits)
	}
}

func TestWhatTheDownloaderOfARunningTaskLacksIsSaid(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) {
		c.Capabilities = nil
		c.CheckOptions = func(string) error {
			return errs.New(errs.NotOffered, "No limits.").WithField("options.upload_limit", "is not offered")
		}
	})
	id := w.create(w.alice, testMagnet)[0].ID
	w.reported(core.JobDownloading)
	_, err := w.service.Update(w.alice, id, &core.TaskChange{Selection: new(only(0))})
	if code, field := refusal(t, err); code != errs.NotOffered || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Options: []byte(`{"upload_limit":1}`)})
	if code, field := refusal(t, err); code != errs.NotOffered || field != "options.upload_limit" {
		t.Errorf("got %s for %q", code, field)
	}
	if v := w.get(w.alice, id); !v.Selection.IsZero() || v.Options != nil {
		t.Errorf("something was stored: %+v", v)
	}
}

func TestATaskWithoutAJobTakesAnyOptions(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.MaxActive = 1 })
	tasks := w.create(w.alice, "http://h/1", "http://h/2")
	first := w.reported(core.JobDownloading)
	id := tasks[1].ID
	if _, err := w.service.Update(w.alice, id, &core.TaskChange{Options: []byte(`{"split":9}`)}); err != nil {
		t.Fatal(err)
	}
	_, err := w.service.Update(w.alice, id, &core.TaskChange{Options: []byte(`{"dir":"/etc"}`)})
	if code, field := refusal(t, err); code != errs.OptionNotAllowed || field != "options.dir" {
		t.Errorf("got %s for %q", code, field)
	}
	w.report(first, core.JobDownloaded, nil)
	second := w.started()
	if string(second.Options) != `{"split":9}` {
		t.Errorf("job %+v, options %s", second, second.Options)
	}
	w.report(second, core.JobFailed, func(o *core.ObservedJob) { o.Failure = &core.Failure{Code: errs.SourceNotFound} })
	if _, err := w.service.Update(w.alice, id, &core.TaskChange{Options: []byte(`{"split":2}`)}); err != nil {
		t.Fatalf("a failed one: %v", err)
	}
	w.act(w.retry, id)
	if third := w.started(); string(third.Options) != `{"split":2}` {
		t.Errorf("the next attempt: %s", third.Options)
	}
}

func TestOnceNamedATaskKeepsItsName(t *testing.T) {
	w := newWorld(t)
	id := w.create(w.alice, testMagnet)[0].ID
	job := w.started()
	naming := func(name string) func(*core.ObservedJob) {
		return func(o *core.ObservedJob) { o.Name = name }
	}
	w.report(job, core.JobDownloading, naming("from the daemon"))
	if v := w.get(w.alice, id); v.Name != "from the daemon" {
		t.Fatalf("named %q", v.Name)
	}
	mine := " Holiday films "
	if v, err := w.service.Update(w.alice, id, &core.TaskChange{Name: &mine}); err != nil || v.Name != "Holiday films" {
		t.Fatalf("%+v, %v", v, err)
	}
	w.report(job, core.JobDownloading, naming("another"))
	w.restart()
	w.report(job, core.JobDownloading, naming("a third"))
	if v := w.get(w.alice, id); v.Name != "Holiday films" {
		t.Errorf("named %q", v.Name)
	}
	for _, bad := range []string{"", "  ", "a\nb", "\xff", strings.Repeat("x", 256)} {
		_, err := w.service.Update(w.alice, id, &core.TaskChange{Name: &bad})
		if code, field := refusal(t, err); code != errs.InvalidRequest || field != "name" {
			t.Errorf("%q: got %s for %q", bad, code, field)
		}
	}
}
