package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

func TestAnFTPFileEndsInTheHomeWithTheSameBytes(t *testing.T) {
	t.Parallel()
	ftp := lab.StartFTP(t)
	s := Start(t, Options{})
	s.WaitCompleted(30*time.Second, s.Add(ftp.URL + "/file.bin")[0].ID)
	if fileSHA256(t, filepath.Join(s.Home(), "file.bin")) != ftp.SHA256("file.bin") {
		t.Error("the file has other bytes")
	}
}

func TestTheFilesOfAMetalinkEndInTheHomeWithTheSameBytes(t *testing.T) {
	t.Parallel()
	web := lab.StartWeb(t)
	file := func(name, sum string) string {
		return fmt.Sprintf(`<file name="%s"><hash type="sha-256">%s</hash><url>%s/data/%s</url></file>`, name, sum, web.URL, name)
	}
	metalink := func(second string) string {
		return `<?xml version="1.0" encoding="UTF-8"?><metalink xmlns="urn:ietf:params:xml:ns:metalink">` +
			file("one.bin", web.SHA256("/data/one.bin")) + file("two.bin", second) + `</metalink>`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sum := web.SHA256("/data/two.bin")
		if r.URL.Path == "/wrong.meta4" {
			sum = web.SHA256("/data/one.bin")
		}
		_, _ = w.Write([]byte(metalink(sum)))
	}))
	defer server.Close()
	s := Start(t, Options{})
	s.WaitCompleted(30*time.Second, s.Add(server.URL + "/good.meta4")[0].ID)
	for _, name := range []string{"one.bin", "two.bin"} {
		if fileSHA256(t, filepath.Join(s.Home(), name)) != web.SHA256("/data/"+name) {
			t.Errorf("%s has other bytes", name)
		}
	}
	wrong := s.WaitEnded(s.Add(server.URL + "/wrong.meta4")[0].ID, 30*time.Second)
	if wrong.State != "failed" || wrong.Error == nil || wrong.Error.Code != "checksum_mismatch" {
		t.Errorf("a wrong checksum: %s, %+v", wrong.State, wrong.Error)
	}
}
