package driver

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/downloader"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
)

func addWith(t testing.TB, d *Driver, id, opts string, src downloader.Source) (downloader.Ref, error) {
	t.Helper()
	return d.Add(t.Context(), downloader.AddRequest{JobID: id, Dir: t.TempDir(), Source: src, Options: []byte(opts)})
}

func TestEveryOptionArrivesAtAria2(t *testing.T) {
	t.Parallel()
	cases := []struct{ key, value, arrives string }{
		{"split", `1`, "1"},
		{"split", `64`, "64"},
		{"split", `8.0`, "8"},
		{"max-connection-per-server", `16`, "16"},
		{"min-split-size", `1048576`, "1048576"},
		{"min-split-size", `1.073741824e9`, "1073741824"},
		{"max-tries", `0`, "0"},
		{"max-tries", `1000`, "1000"},
		{"retry-wait", `600`, "600"},
		{"timeout", `600`, "600"},
		{"connect-timeout", `1`, "1"},
		{"lowest-speed-limit", `1073741824`, "1073741824"},
		{"header", `["X-A: b","Cookie: c=d; e=\"ü\"","X-Empty:f"]`, "X-A: b\nCookie: c=d; e=\"ü\"\nX-Empty:f\n"},
		{"referer", `"*"`, "*"},
		{"user-agent", `"Mozilla/5.0 (X11; Linux)"`, "Mozilla/5.0 (X11; Linux)"},
		{"http-user", `"us er"`, "us er"},
		{"http-passwd", `"pä:ss=w\"ord\\"`, `pä:ss=w"ord\`},
		{"ftp-user", `"u"`, "u"},
		{"ftp-passwd", `"p"`, "p"},
		{"http-no-cache", `true`, "true"},
		{"remote-time", `true`, "true"},
		{"stream-piece-selector", `"inorder"`, "inorder"},
		{"stream-piece-selector", `"geom"`, "geom"},
		{"checksum", `"sha-1=` + strings.Repeat("aB", 20) + `"`, "sha-1=" + strings.Repeat("aB", 20)},
		{"checksum", `"sha-512=` + strings.Repeat("0", 128) + `"`, "sha-512=" + strings.Repeat("0", 128)},
		{"checksum", `"md5=` + strings.Repeat("0", 32) + `"`, "md5=" + strings.Repeat("0", 32)},
		{"checksum", `"sha-224=` + strings.Repeat("0", 56) + `"`, "sha-224=" + strings.Repeat("0", 56)},
		{"checksum", `"sha-256=` + strings.Repeat("0", 64) + `"`, "sha-256=" + strings.Repeat("0", 64)},
		{"checksum", `"sha-384=` + strings.Repeat("0", 96) + `"`, "sha-384=" + strings.Repeat("0", 96)},
		{"bt-max-peers", `10000`, "10000"},
		{"bt-stop-timeout", `31536000`, "31536000"},
		{"bt-prioritize-piece", `"head"`, "head"},
		{"bt-prioritize-piece", `"tail=0,head=999999999"`, "tail=0,head=999999999"},
		{"bt-prioritize-piece", `"head=2M,tail=20K"`, "head=2M,tail=20K"},
		{"bt-force-encryption", `true`, "true"},
	}
	a, w := startAria2(t), startWeb(t)
	d := newDriver(t, a.settings())
	tried := map[string]bool{}
	for i, c := range cases {
		tried[c.key] = true
		id := fmt.Sprint("job-", i)
		if _, err := addWith(t, d, id, fmt.Sprintf(`{%q:%s}`, c.key, c.value), httpSource(w.URL+"/held/1/x")); err != nil {
			t.Errorf("%s %s: %v", c.key, c.value, err)
			continue
		}
		a.wantOptions(id, map[string]string{c.key: c.arrives})
	}
	a.restart() // the session file holds them, and nothing in them became a line of its own
	for i, c := range cases {
		a.wantOptions(fmt.Sprint("job-", i), map[string]string{c.key: c.arrives})
	}
	for key := range schemaProperties(t) {
		if !tried[key] {
			t.Errorf("%s was not tried", key)
		}
	}
}

func schemaProperties(t testing.TB) map[string]struct {
	Title, Description string
	WriteOnly          bool
} {
	t.Helper()
	var s struct {
		AdditionalProperties *bool
		Properties           map[string]struct {
			Title, Description string
			WriteOnly          bool
		}
	}
	if err := json.Unmarshal([]byte(optionsSchema), &s); err != nil || s.AdditionalProperties == nil || *s.AdditionalProperties {
		t.Fatalf("the schema is open, or no schema: %v", err)
	}
	return s.Properties
}

func TestOptionsThatAria2WouldMisunderstandAreRefused(t *testing.T) {
	t.Parallel()
	a := startAria2(t)
	d := newDriver(t, a.settings())
	cases := []struct {
		name, options, field string
		want                 errs.Code
	}{
		{"no object", `[1]`, "options", errs.InvalidOptions},
		{"null", `null`, "options", errs.InvalidOptions},
		{"not JSON", `{"split"`, "options", errs.InvalidOptions},
		{"an unknown key", `{"spilt":1}`, "options.spilt", errs.InvalidOptions},
		{"a number in a string, which the schema does not know", `{"split":"4"}`, "options.split", errs.InvalidOptions},
		{"too small", `{"split":0}`, "options.split", errs.InvalidOptions},
		{"too large", `{"min-split-size":1073741825}`, "options.min-split-size", errs.InvalidOptions},
		{"a fraction", `{"split":1.5}`, "options.split", errs.InvalidOptions},
		{"a line break, which would be an option in the session file", `{"user-agent":"x\n dir=/etc"}`, "options.user-agent", errs.InvalidOptions},
		{"a line break in a header", `{"header":["X: y\r\nHost: z"]}`, "options.header[0]", errs.InvalidOptions},
		{"a Host header", `{"header":["X: y","hOsT: z"]}`, "options.header[1]", errs.InvalidOptions},
		{"a header for proxies", `{"header":["Proxy-Authorization: z"]}`, "options.header[0]", errs.InvalidOptions},
		{"a header without a colon", `{"header":["X"]}`, "options.header[0]", errs.InvalidOptions},
		{"one header that is no list", `{"header":"X: y"}`, "options.header", errs.InvalidOptions},
		{"an unknown checksum", `{"checksum":"crc=00"}`, "options.checksum", errs.InvalidOptions},
		{"a short checksum", `{"checksum":"md5=00"}`, "options.checksum", errs.InvalidOptions},
		{"pieces of the middle", `{"bt-prioritize-piece":"middle"}`, "options.bt-prioritize-piece", errs.InvalidOptions},
		{"a path", `{"dir":"/etc"}`, "options.dir", errs.OptionNotAllowed},
		{"a path in another spelling", `{"--DIR":"/etc"}`, "options.--DIR", errs.OptionNotAllowed},
		{"a hook", `{"on-download-complete":"/bin/x"}`, "options.on-download-complete", errs.OptionNotAllowed},
		{"a log", `{"log":"/etc/x"}`, "options.log", errs.OptionNotAllowed},
		{"a session", `{"save_session":"/etc/x"}`, "options.save_session", errs.OptionNotAllowed},
		{"a listener", `{"rpcListenPort":1}`, "options.rpcListenPort", errs.OptionNotAllowed},
		{"a proxy", `{"all-proxy":"http://x"}`, "options.all-proxy", errs.OptionNotAllowed},
		{"haul's own mark", `{"metalink-version":"x"}`, "options.metalink-version", errs.OptionNotAllowed},
		{"files beside the task's", `{"select-file":"1"}`, "options.select-file", errs.OptionNotAllowed},
		{"limits beside the task's", `{"max-download-limit":1}`, "options.max-download-limit", errs.OptionNotAllowed},
		{"seeding beside the task's", `{"seed-time":1}`, "options.seed-time", errs.OptionNotAllowed},
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := addWith(t, d, fmt.Sprint("job-", i), c.options, httpSource("http://127.0.0.1:1/x"))
			if !errs.Is(err, c.want) || !strings.Contains(fmt.Sprint(fieldsOf(err)), c.field) {
				t.Errorf("got %v with %v, want %s of %s", err, fieldsOf(err), c.want, c.field)
			}
		})
	}
	sum := `{"checksum":"md5=` + strings.Repeat("0", 32) + `"}`
	if _, err := addWith(t, d, "magnet", sum, downloader.Source{Kind: downloader.SourceMagnet, URI: "magnet:?xt=urn:btih:" + strings.Repeat("ab", 20)}); !errs.Is(err, errs.InvalidOptions) {
		t.Errorf("a checksum for a magnet link: %v", err)
	}
	var active, waiting []any
	a.call("aria2.tellActive", &active)
	a.call("aria2.tellWaiting", &waiting, 0, 100)
	if len(active)+len(waiting) > 0 {
		t.Errorf("something was left behind: %v %v", active, waiting)
	}
}

// What is neither free to be set nor reserved would be a new option of aria2,
// which somebody has to judge.
func TestEveryOptionOfAria2IsEitherFreeOrReserved(t *testing.T) {
	help, err := exec.Command("aria2c", "--help=#all").Output()
	if err != nil {
		t.Fatal(err)
	}
	free := schemaProperties(t)
	for key, p := range free {
		if p.Title == "" || p.Description == "" {
			t.Errorf("%s has no title or description", key)
		}
		if secret := strings.HasSuffix(key, "-passwd") || key == "header"; p.WriteOnly != secret {
			t.Errorf("%s: writeOnly is %v", key, p.WriteOnly)
		}
		if downloader.IsReserved(reservedOptions(), key) {
			t.Errorf("%s is both free and reserved", key)
		}
	}
	found := 0
	for _, m := range regexp.MustCompile(`(?m)^ (?:-\w, )?--([a-z0-9-]+)`).FindAllStringSubmatch(string(help), -1) {
		found++
		if _, ok := free[m[1]]; !ok && !downloader.IsReserved(reservedOptions(), m[1]) {
			t.Errorf("%s is neither", m[1])
		}
	}
	if found < 150 {
		t.Errorf("only %d options were found", found)
	}
	if _, err := schema.Compile([]byte(settingsSchema)); err != nil {
		t.Error(err)
	}
}

func TestHeadersAndLoginReachTheServer(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 10)
	w := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if _, _, ok := r.BasicAuth(); !ok {
			rw.Header().Set("WWW-Authenticate", "Basic realm=x")
			rw.WriteHeader(http.StatusUnauthorized)
			return
		}
		got <- r.Header
		_, _ = rw.Write([]byte("x"))
	}))
	t.Cleanup(w.Close)
	d := newDriver(t, startAria2(t).settings())
	ref, err := addWith(t, d, "job-1", `{"header":["X-One: 1","X-Two: 2"],"http-user":"u","http-passwd":"p","user-agent":"me"}`, httpSource(w.URL+"/x"))
	if err != nil {
		t.Fatal(err)
	}
	await(t, d, ref, downloader.PhaseComplete)
	h := <-got
	if h.Get("X-One") != "1" || h.Get("X-Two") != "2" || h.Get("Authorization") != "Basic dTpw" || h.Get("User-Agent") != "me" {
		t.Errorf("the server got %v", h)
	}
}

func TestChecksumIsVerified(t *testing.T) {
	t.Parallel()
	w := startWeb(t)
	d := newDriver(t, startAria2(t).settings())
	for id, c := range map[string]struct {
		sum  string
		want downloader.Phase
	}{"right": {sum(content(1000)), downloader.PhaseComplete}, "wrong": {sum(content(999)), downloader.PhaseFailed}} {
		ref, err := addWith(t, d, id, `{"checksum":"sha-256=`+c.sum+`"}`, httpSource(w.URL+"/file/1000/"+id))
		if err != nil {
			t.Fatal(err)
		}
		var s downloader.Status
		eventually(t, "the job ends", func() bool {
			s = check(t, d, ref)
			return s.Phase == downloader.PhaseComplete || s.Phase == downloader.PhaseFailed
		})
		if s.Phase != c.want || c.want == downloader.PhaseFailed && !errs.Is(s.Err, errs.ChecksumMismatch) {
			t.Errorf("%s checksum: %s, %v", id, s.Phase, s.Err)
		}
	}
}
