package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

func TestNamesThatServersGiveArriveOrAreRefused(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	s := Start(t, Options{})
	named := func(name string) Task { return s.Add(web.URL + "/named?n=" + url.QueryEscape(name))[0] }
	accented, long := named("Été à Łódź.txt"), named(strings.Repeat("n", 300)+".bin")
	s.WaitCompleted(30*time.Second, accented.ID)
	if _, err := os.Stat(filepath.Join(s.Home(), "Été à Łódź.txt")); err != nil {
		t.Error(err)
	}
	if task := s.WaitEnded(long.ID, 30*time.Second); task.State != "failed" || task.Error == nil || task.Error.Code != "name_not_possible" {
		t.Errorf("%s, %+v", task.State, task.Error)
	}
}
