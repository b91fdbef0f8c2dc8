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
		Sources: []core.NewSource{{URI: testMagnet}}, Files: []int{7, 0}, Options: []byte(`{ "split": 4, "download_limit": 100 }`),
	})
	if err != nil {
		t.Fatal(err)
	}
	job := w.started()
	if !slices.Equal(job.Files, []int{0, 7}) || string(job.Options) != `{"split":4}` || job.Limits.DownloadRate != 100 || job.Limits.UploadRate != 5 {
		t.Errorf("job %+v, options %s", job, job.Options)
	}
	w.create(w.alice, "http://h/1")
	if job = w.started(); job.Files != nil || string(job.Options) != `{"split":3}` || job.Limits.UploadRate != 5 {
		t.Errorf("without any of its own: %+v, options %s", job, job.Options)
	}
}

func TestWrongSelectionsAndOptionsAreRefusedByField(t *testing.T) {
	w := newWorld(t)
	magnet, file := core.NewSource{URI: testMagnet, Field: "sources[0]"}, core.NewSource{URI: "http://h/1", Field: "sources[0]"}
	torrent := core.NewSource{URI: "a.torrent", Content: threeFiles(), Field: "torrent[0]"}
	tests := []struct {
		name    string
		source  core.NewSource
		files   []int
		options string
		code    errs.Code
		field   string
	}{
		{"a negative file", magnet, []int{-1}, "", errs.InvalidRequest, "files[0]"},
		{"a file twice", magnet, []int{1, 2, 1}, "", errs.InvalidRequest, "files[2]"},
		{"a file that the torrent does not have", torrent, []int{0, 3}, "", errs.InvalidRequest, "files"},
		{"a second file of a web address", file, []int{0, 1}, "", errs.InvalidRequest, "files"},
		{"far too many", magnet, make([]int, maxSelection+1), "", errs.InvalidRequest, "files"},
		{"a reserved option", file, nil, `{"Dir":"/etc"}`, errs.OptionNotAllowed, "options.Dir"},
		{"an unknown option", file, nil, `{"splat":1}`, errs.InvalidOptions, "options.splat"},
		{"an option of a wrong value", file, nil, `{"split":0}`, errs.InvalidOptions, "options.split"},
		{"a negative limit", file, nil, `{"upload_limit":-1}`, errs.InvalidOptions, "options.upload_limit"},
		{"no object", file, nil, `7`, errs.InvalidOptions, "options"},
		{"huge options", file, nil, `{"x":"` + strings.Repeat("x", 1<<17) + `"}`, errs.InvalidOptions, "options"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{tt.source}, Files: tt.files, Options: []byte(tt.options)})
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
	_, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: testMagnet}}, Files: []int{0}})
	if code, field := refusal(t, err); code != errs.NotOffered || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
	for name, req := range map[string]*core.NewTask{
		"the only file of a web address": {Sources: []core.NewSource{{URI: "http://h/1"}}, Files: []int{0}},
		"all files of a torrent":         {Sources: []core.NewSource{{URI: "t", Content: threeFiles()}}, Files: []int{2, 1, 0}},
		"an empty selection":             {Sources: []core.NewSource{{URI: testMagnet}}, Files: []int{}},
	} {
		if v, err := w.service.Create(w.alice, req); err != nil || v[0].Selection != nil {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

func TestTheSizeOfATorrentIsThatOfTheWantedFiles(t *testing.T) {
	w := newWorld(t)
	w.reg.change(func(c *schedule.Candidate) { c.Trouble = &core.Waiting{Code: errs.DownloaderUnreachable} })
	tasks, err := w.service.Create(w.alice, &core.NewTask{Sources: []core.NewSource{{URI: "t", Content: threeFiles()}}, Files: []int{0, 2}})
	if err != nil || tasks[0].TotalBytes != 8 || !slices.Equal(tasks[0].Selection, []int{0, 2}) {
		t.Fatalf("%+v, %v", tasks, err)
	}
	id := tasks[0].ID
	for _, tt := range []struct {
		files []int
		total int64
	}{{[]int{1}, 4}, {nil, 12}, {[]int{0, 1, 2}, 12}} {
		v, err := w.service.Update(w.alice, id, &core.TaskChange{Files: &tt.files})
		if err != nil || v.TotalBytes != tt.total || len(v.Selection) != len(tt.files)%3 {
			t.Errorf("%v: %+v, %v", tt.files, v, err)
		}
	}
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Files: &[]int{3}})
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
	if j := update(core.TaskChange{Files: &[]int{4, 2}}); !slices.Equal(j.Files, []int{2, 4}) {
		t.Errorf("files %v", j.Files)
	}
	if j := update(core.TaskChange{Options: []byte(`{"download_limit":9}`)}); j.Limits.DownloadRate != 9 || j.Limits.UploadRate != 5 || string(j.Options) != `{"split":3}` {
		t.Errorf("limits %+v, options %s", j.Limits, j.Options)
	}
	if j := update(core.TaskChange{Files: &[]int{}, Options: []byte(`{"download_limit":null,"upload_limit":0}`)}); len(j.Files) != 0 || j.Limits.DownloadRate != 0 || j.Limits.UploadRate != 0 {
		t.Errorf("taken away: %+v", j)
	}
	if v := w.get(w.alice, id); string(v.Options) != `{"upload_limit":0}` || v.Selection != nil {
		t.Errorf("shown: %s, %v", v.Options, v.Selection)
	}
	if _, err := w.service.Update(w.alice, id, &core.TaskChange{Files: &[]int{}, Options: []byte(`{"upload_limit":0}`)}); err != nil {
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
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Files: &[]int{0, 3}})
	if code, field := refusal(t, err); code != errs.InvalidRequest || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
	w.report(job, core.JobDelivering, nil)
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Files: &[]int{1}})
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
	_, err := w.service.Update(w.alice, id, &core.TaskChange{Files: &[]int{0}})
	if code, field := refusal(t, err); code != errs.NotOffered || field != "files" {
		t.Errorf("got %s for %q", code, field)
	}
	_, err = w.service.Update(w.alice, id, &core.TaskChange{Options: []byte(`{"upload_limit":1}`)})
	if code, field := refusal(t, err); code != errs.NotOffered || field != "options.upload_limit" {
		t.Errorf("got %s for %q", code, field)
	}
	if v := w.get(w.alice, id); v.Selection != nil || v.Options != nil {
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
	w.act(w.service.Retry, id)
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
