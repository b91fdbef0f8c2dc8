package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

type testResult struct {
	OK      bool
	Version string
	Checks  []struct {
		Name                string
		OK                  bool
		Code, Message, Hint string
	}
}

func (r *testResult) failed() string {
	for _, c := range r.Checks {
		if !c.OK {
			return c.Code
		}
	}
	return ""
}

func TestADownloaderTestTellsWhatIsWrong(t *testing.T) {
	web, aria2 := lab.StartWeb(t), lab.StartAria2(t, lab.Aria2Options{})
	s := Start(t, Options{})
	tests := map[string]struct{ address, secret, code, says string }{
		"all is well":           {aria2.Address, aria2.Secret, "", ""},
		"nothing answers":       {"http://" + closedAddress(t) + "/jsonrpc", "x", "downloader_unreachable", ""},
		"the secret is wrong":   {aria2.Address, "wrong", "downloader_auth_failed", ""},
		"a web server answers":  {web.URL, "x", "not_a_downloader", "web"},
		"a web page is at path": {web.URL + "/jsonrpc", "x", "not_a_downloader", "web"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got testResult
			s.Must("POST", "/downloaders/test", map[string]any{
				"plugin": "aria2", "settings": map[string]string{"address": tt.address, "secret": tt.secret},
			}, &got)
			if got.OK != (tt.code == "") || got.failed() != tt.code {
				t.Errorf("got %+v, want code %q", got, tt.code)
			}
			for _, c := range got.Checks {
				if !c.OK && (c.Hint == "" || !strings.Contains(strings.ToLower(c.Message), tt.says)) {
					t.Errorf("check %+v needs a hint and should say %q", c, tt.says)
				}
				if strings.Contains(c.Message, aria2.Secret) {
					t.Errorf("check %+v shows the secret", c)
				}
			}
		})
	}
}

func TestADownloaderOfSomebodyElseIsUsedAndItsTroubleShown(t *testing.T) {
	web, aria2 := lab.StartWeb(t), lab.StartAria2(t, lab.Aria2Options{})
	s := Start(t, Options{})
	settings := map[string]string{"address": aria2.Address, "secret": aria2.Secret}
	s.Must("POST", "/downloaders", map[string]any{"name": "other", "plugin": "aria2", "settings": settings}, nil)
	s.WaitHealthy("other")

	a := s.Do("GET", "/downloaders/other", nil)
	if strings.Contains(string(a.Body), aria2.Secret) {
		t.Errorf("the secret is shown: %s", a.Body)
	}
	task := s.AddWith(map[string]any{"sources": []string{web.URL + "/slow/200000/1000000/a.bin"}, "downloader": "other"})[0]
	WaitFor(t, 20*time.Second, "it to load", func() bool { return s.Task(task.ID).State == "downloading" })
	aria2.Kill9()
	WaitFor(t, 20*time.Second, "the trouble to be shown", func() bool {
		w := s.Task(task.ID).Waiting
		return s.Downloader("other").Health.Code == "downloader_unreachable" && w != nil && w.Code == "downloader_unreachable"
	})
	if got := s.Task(task.ID); got.State == "failed" {
		t.Error("a downloader that is away must fail no task")
	}
	aria2.Restart()
	s.WaitCompleted(time.Minute, task.ID)

	assertProblem(t, s.Do("POST", "/downloaders", map[string]any{"name": "other", "plugin": "aria2"}), 409, "name_taken")
	assertProblem(t, s.Do("POST", "/downloaders", map[string]any{"name": "x", "plugin": "nobody"}), 422, "plugin_missing")
	assertProblem(t, s.Do("POST", "/downloaders", map[string]any{"name": "x", "plugin": "aria2", "settings": map[string]any{"adress": "h"}}), 400, "invalid_settings")
	s.Must("DELETE", "/downloaders/other", nil, nil)
	assertProblem(t, s.Do("GET", "/downloaders/other", nil), 404, "not_found")
}
