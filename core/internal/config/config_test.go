package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/haul-dl/haul/core/internal/store"
	"github.com/haul-dl/haul/sdk/errs"
)

// Two SHA-256; the first is made of digits alone, which YAML takes for a number.
var (
	sumA = strings.Repeat("01234567", 8)
	sumB = strings.Repeat("89abcdef", 8)
)

// setup is what a server finds when it starts.
type setup struct {
	args []string
	env  map[string]string
	file string // haul.yaml
}

func (s setup) load(t *testing.T) (*Config, error) {
	t.Helper()
	flags := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	AddFlags(flags)
	if err := flags.Parse(s.args); err != nil {
		t.Fatal(err)
	}
	return Load(Sources{
		Flags:     flags,
		LookupEnv: func(k string) (string, bool) { v, ok := s.env[k]; return v, ok },
		ReadFile: func(path string) ([]byte, error) {
			if path != "haul.yaml" {
				return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
			}
			return []byte(s.file), nil
		},
	})
}

func TestEachSourceWinsOverTheOnesBefore(t *testing.T) {
	fromFile := map[string]string{"HAUL_CONFIG": "haul.yaml"}
	both := map[string]string{"HAUL_CONFIG": "haul.yaml", "HAUL_LISTEN": "0.0.0.0:2"}
	cases := []struct {
		name string
		setup
		want string
	}{
		{"the default", setup{}, "127.0.0.1:7420"},
		{"the file over the default", setup{env: fromFile, file: "listen: 0.0.0.0:1"}, "0.0.0.0:1"},
		{"the environment over the file", setup{env: both, file: "listen: 0.0.0.0:1"}, "0.0.0.0:2"},
		{"a flag over the environment", setup{args: []string{"--listen", ":3"}, env: both}, ":3"},
		{"a flag that equals the default, too", setup{args: []string{"--listen", DefaultListen}, env: both}, DefaultListen},
		{"an empty variable counts as none", setup{env: map[string]string{"HAUL_LISTEN": ""}}, "127.0.0.1:7420"},
		{"the file that the flag names", setup{args: []string{"--config", "haul.yaml"}, env: map[string]string{"HAUL_CONFIG": "other"}, file: "listen: :4"}, ":4"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := c.load(t)
			if err != nil {
				t.Fatal(err)
			}
			if got.Listen != c.want {
				t.Errorf("listens at %s, want %s", got.Listen, c.want)
			}
		})
	}
}

func TestEverySettingCanComeFromEverySource(t *testing.T) {
	want := Config{
		Data: "/d", Downloads: "/w", Listen: ":1", Plugins: []string{"/p", "/q"}, LogLevel: "debug", LogFormat: "json",
		TorrentLimit: 1 << 20, AdminPassword: NewSecret("pw"),
		PluginPins: Pins{"a": {sumA, sumB}, "b": {sumA}}, PluginMemoryLimit: 1 << 28,
		MetadataTimeout: 10 * time.Minute, StallTimeout: 3 * day, TotalTimeout: 36 * time.Hour, RetryLimit: 5,
		HeldFor: 0, MinFree: 2 << 30, OrphanGrace: 90 * time.Second, VerifyCopies: true,
	}
	file := "data: /d\ndownloads: /w\nlisten: ':1'\nplugins: [/p, /q]\nlog_level: debug\nlog_format: json\ntorrent_limit: 1048576\nadmin_password: pw\n" +
		"plugin_pins:\n  a: [" + sumA + ", " + strings.ToUpper(sumB) + "]\n  b:\n    - " + sumA + "\nplugin_memory_limit: 256MiB\n" +
		"metadata_timeout: 10m\nstall_timeout: 3d\ntotal_timeout: 1d12h\nretry_limit: 5\nheld_for: 0\nmin_free: 2GiB\norphan_grace: 90s\nverify_copies: true\n"
	env := map[string]string{
		"HAUL_DATA": "/d", "HAUL_DOWNLOADS": "/w", "HAUL_LISTEN": ":1", "HAUL_PLUGINS": "/p:/q", "HAUL_LOG_LEVEL": "debug",
		"HAUL_LOG_FORMAT": "json", "HAUL_TORRENT_LIMIT": "1MiB", "HAUL_ADMIN_PASSWORD": "pw",
		"HAUL_PLUGIN_PINS": "a=" + sumA + ":a=" + sumB + ":b=" + sumA, "HAUL_PLUGIN_MEMORY_LIMIT": "256MiB",
		"HAUL_METADATA_TIMEOUT": "10m", "HAUL_STALL_TIMEOUT": "3d", "HAUL_TOTAL_TIMEOUT": "36h", "HAUL_RETRY_LIMIT": "5",
		"HAUL_HELD_FOR": "0", "HAUL_MIN_FREE": "2GiB", "HAUL_ORPHAN_GRACE": "90s", "HAUL_VERIFY_COPIES": "true",
	}
	args := []string{
		"--data=/d", "--downloads=/w", "--listen=:1", "--plugins=/p", "--plugins=/q", "--log-level=debug", "--log-format=json", "--torrent-limit=1MiB",
		"--plugin-pins=a=" + sumA, "--plugin-pins=a=" + sumB, "--plugin-pins=b=" + sumA, "--plugin-memory-limit=256MiB",
		"--metadata-timeout=10m", "--stall-timeout=72h", "--total-timeout=36h", "--retry-limit=5",
		"--held-for=0s", "--min-free=2GiB", "--orphan-grace=90s", "--verify-copies",
	}
	for name, s := range map[string]setup{
		"file":        {args: []string{"--config=haul.yaml"}, file: file},
		"environment": {env: env},
		"flags":       {args: args, env: map[string]string{"HAUL_ADMIN_PASSWORD": "pw"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := s.load(t)
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range settings() {
				if g, w := set.get(got), set.get(&want); !slices.Equal(g, w) {
					t.Errorf("%s is %q, want %q", set.key, g, w)
				}
			}
			if got.AdminPassword.Reveal() != "pw" {
				t.Error("the password is lost")
			}
		})
	}
}

func TestAMistakeIsToldWithItsPlace(t *testing.T) {
	cases := []struct {
		name, file string
		env        map[string]string
		args       []string
		want       string
	}{
		{name: "an unknown key", file: "listen: ':1'\nlsiten: ':1'", want: "haul.yaml:2: lsiten is not a key"},
		{name: "a key that is there twice", file: "listen: ':1'\n\nlisten: ':2'", want: "haul.yaml:3: listen is there twice"},
		{name: "a number for text", file: "listen: 7420", want: "haul.yaml:1: listen must be text, not a number; put it in quotes"},
		{name: "a list for text", file: "data:\n  - a", want: "haul.yaml:2: data must be text, not a list"},
		{name: "nothing for text", file: "data:", want: "haul.yaml:1: data must be text, not nothing"},
		{name: "text for a list", file: "plugins: /p", want: "haul.yaml:1: plugins must be a list, not text"},
		{name: "a number in a list", file: "plugins:\n  - /p\n  - 1", want: "plugins must be a list of text; line 3 has a number"},
		{name: "a fraction for a size", file: "torrent_limit: 1.5", want: "haul.yaml:1: torrent_limit must be a size such as 10MiB, not a number"},
		{name: "no size", file: "torrent_limit: ten", want: "haul.yaml:1: torrent_limit must be a size such as 10MiB, not \"ten\""},
		{name: "a size out of bounds", file: "\ntorrent_limit: 1TiB", want: "haul.yaml:2: torrent_limit must be 1KiB to 24MiB, not 1TiB"},
		{name: "no mapping", file: "- a", want: "haul.yaml:1: the file must hold keys and values"},
		{name: "two documents", file: "data: /d\n---\ndata: /e", want: "haul.yaml: the file must hold one document"},
		{name: "no YAML", file: "data: [", want: "haul.yaml: yaml: line 1"},
		{name: "the mark of a secret", file: "admin_password: <secret>", want: "haul.yaml:1: admin_password is the mark"},
		{name: "no file", args: []string{"--config", "gone.yaml"}, want: "cannot be read: open gone.yaml"},
		{name: "an address without a port", env: map[string]string{"HAUL_LISTEN": "localhost"}, want: "HAUL_LISTEN: listen must be host:port"},
		{name: "a port that is none", args: []string{"--listen", ":70000"}, want: "--listen: listen must end with a port from 0 to 65535"},
		{name: "an unknown level", args: []string{"--log-level", "loud"}, want: `--log-level: log_level must be one of trace, debug, info, warn, error, not "loud"`},
		{name: "an unknown format", args: []string{"--log-format", "xml"}, want: `--log-format: log_format must be one of text, json, not "xml"`},
		{name: "an empty directory", args: []string{"--data", ""}, want: "--data: data is needed"},
		{name: "a list of pins", file: "plugin_pins: [x]", want: "haul.yaml:1: plugin_pins must be plugins' names, each with a list of SHA-256, not a list"},
		{name: "a pin that is no list", file: "plugin_pins:\n  a: " + sumB, want: "must have a list of at least one SHA-256 for a; line 2 has text"},
		{name: "a pin without a hash", file: "plugin_pins:\n  a: []", want: "at least one SHA-256 for a; line 2"},
		{name: "a pin that is no hash", file: "plugin_pins:\n  a:\n  - " + sumB + "\n  - abc", want: `has "abc" for a, which is no SHA-256: 64 hexadecimal digits, as sha256sum prints them; line 4`},
		{name: "a pin of a file's name", file: "plugin_pins:\n  haul_a: [" + sumB + "]", want: `has "haul_a", which is no name of a plugin`},
		{name: "a pin that is there twice", file: "plugin_pins:\n  a: [" + sumB + "]\n  a: [" + sumB + "]", want: "has a twice; line 3"},
		{name: "a pin without a name", args: []string{"--plugin-pins", sumB}, want: "--plugin-pins: plugin_pins must be made of NAME=SHA256"},
		{name: "too little memory", file: "plugin_memory_limit: 1MiB", want: "haul.yaml:1: plugin_memory_limit must be at least 64MiB, or 0"},
		{name: "no length of time", file: "stall_timeout: soon", want: "haul.yaml:1: stall_timeout must be a length of time such as 30m, 12h or 7d, not \"soon\""},
		{name: "a time without a unit", file: "stall_timeout: 30", want: "haul.yaml:1: stall_timeout must be a length of time"},
		{name: "a fraction for a time", file: "held_for: 1.5", want: "haul.yaml:1: held_for must be a length of time such as 30m, 12h or 7d, not a number"},
		{name: "a time below zero", env: map[string]string{"HAUL_ORPHAN_GRACE": "-1h"}, want: "HAUL_ORPHAN_GRACE: orphan_grace must be a length of time"},
		{name: "text for a number", file: "retry_limit: many", want: "haul.yaml:1: retry_limit must be a number, not \"many\""},
		{name: "a list for a number", file: "retry_limit: [1]", want: "haul.yaml:1: retry_limit must be a number, not a list"},
		{name: "retries without end", args: []string{"--retry-limit", "101"}, want: "--retry-limit: retry_limit must be 0 to 100, not 101"},
		{name: "a number for a switch", file: "verify_copies: 1", want: "haul.yaml:1: verify_copies must be true or false, not a number"},
		{name: "a word for a switch", env: map[string]string{"HAUL_VERIFY_COPIES": "maybe"}, want: "HAUL_VERIFY_COPIES: verify_copies must be true or false, not \"maybe\""},
		{name: "an empty plugin directory", args: []string{"--plugins", ""}, want: "--plugins: plugins has an empty entry"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			args := c.args
			if c.file != "" {
				args = append(args, "--config", "haul.yaml")
			}
			_, err := setup{args, c.env, c.file}.load(t)
			if !errs.Is(err, errs.InvalidRequest) || !strings.Contains(errs.MessageOf(err), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	_, err := setup{args: []string{"--config", "haul.yaml"}, file: "a: 1\nb: 2\nlisten: 3\n"}.load(t)
	e, ok := errors.AsType[*errs.Error](err)
	if !ok || len(e.Fields) != 3 {
		t.Fatalf("got %v", err)
	}
}

func TestAnEmptyFileChangesNothing(t *testing.T) {
	for _, file := range []string{"", "# nothing\n", "---\n", "null\n", "{}\n"} {
		if _, err := (setup{args: []string{"--config", "haul.yaml"}, file: file}).load(t); err != nil {
			t.Errorf("%q: %v", file, err)
		}
	}
}

func TestPathsAreMadeAbsolute(t *testing.T) {
	c, err := setup{args: []string{"--data", "d", "--plugins", "p"}}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(filepath.Dir(exe), "plugins"), filepath.Join(wd, "d", "plugins"), filepath.Join(wd, "p")}
	if got := c.PluginDirs(); !slices.Equal(got, want) {
		t.Errorf("plugins are looked for in %q, want %q", got, want)
	}
}

func TestTheDefaultDirectoryFitsWhoRunsIt(t *testing.T) {
	cases := []struct {
		uid  int
		env  map[string]string
		want string
	}{
		{0, map[string]string{"HOME": "/root"}, "/var/lib/haul"},
		{1000, map[string]string{"HOME": "/home/u"}, "/home/u/.local/share/haul"},
		{1000, map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "/x"}, "/x/haul"},
		{1000, map[string]string{"HOME": "/home/u", "XDG_DATA_HOME": "relative"}, "/home/u/.local/share/haul"},
		{1000, nil, ""},
	}
	for _, c := range cases {
		if got := defaultData(func(k string) (string, bool) { v, ok := c.env[k]; return v, ok }, c.uid); got != c.want {
			t.Errorf("uid %d, %v: got %q, want %q", c.uid, c.env, got, c.want)
		}
	}
}

func TestThePrintCanBeReadBackAndKeepsSecrets(t *testing.T) {
	const password = "hunter2"
	c, err := setup{
		args: []string{"--config", "haul.yaml", "--data", "/d"},
		env:  map[string]string{"HAUL_ADMIN_PASSWORD": password, "HAUL_PLUGINS": "/p:/q # r", "HAUL_PLUGIN_PINS": "a=" + sumA + ":a=" + sumB},
		file: "\nlog_level: debug\n",
	}.load(t)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := c.Print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"data: /d # --data\n", "downloads: /d/node/jobs # default\n", "listen: 127.0.0.1:7420 # default\n", "log_level: debug # haul.yaml:2\n", "plugins: # HAUL_PLUGINS\n",
		"torrent_limit: 10MiB # default\n", "held_for: 7d # default\n", "retry_limit: 3 # default\n", "verify_copies: false # default\n", "admin_password: <secret> # HAUL_ADMIN_PASSWORD\n", "#   /d/plugins\n", "# The file haul.yaml was read.\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the print lacks %q:\n%s", want, &out)
		}
	}
	shown, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	all := fmt.Sprintf("%v %+v %#v %s %q %x %s", c, *c, *c, c.AdminPassword, c.AdminPassword, c.AdminPassword, shown) + out.String()
	if strings.Contains(all, password) || strings.Contains(all, fmt.Sprintf("%x", password)) {
		t.Errorf("the password shows:\n%s", all)
	}
	again, err := setup{
		args: []string{"--config", "haul.yaml"},
		file: strings.Replace(out.String(), redacted, password, 1),
	}.load(t)
	if err != nil {
		t.Fatalf("%v in\n%s", err, &out)
	}
	for _, s := range settings() {
		if g, w := s.get(again), s.get(c); !slices.Equal(g, w) {
			t.Errorf("%s came back as %q, want %q", s.key, g, w)
		}
	}
}

func TestSizesAreReadAndPrinted(t *testing.T) {
	good := map[string]Size{"0": 0, "4096": 4096, "10MiB": 10 << 20, "10 MB": 10e6, "1kB": 1000, "1KB": 1000, "2KiB": 2048, "3GiB": 3 << 30, "7B": 7}
	for in, want := range good {
		got, err := ParseSize(in)
		if err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", in, got, err, want)
		}
		if back, err := ParseSize(got.String()); err != nil || back != got {
			t.Errorf("%d prints as %q and is read as %d, %v", got, got, back, err)
		}
	}
	for _, in := range []string{"", "MiB", "-1", "1.5MiB", "1 M", "9223372036854775807KiB", "1e3", "0x10"} {
		if got, err := ParseSize(in); err == nil {
			t.Errorf("%q was read as %d", in, got)
		}
	}
}

func TestDurationsAreReadAndPrinted(t *testing.T) {
	good := map[string]time.Duration{
		"0": 0, "0d": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "24h": day, "7d": 7 * day, "168h": 7 * day,
		"1d12h": 36 * time.Hour, " 30m ": 30 * time.Minute, "100ms": 100 * time.Millisecond, "50h": 50 * time.Hour,
	}
	for in, want := range good {
		got, err := ParseDuration(in)
		if err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", in, got, err, want)
		}
		if back, err := ParseDuration(formatDuration(got)); err != nil || back != got {
			t.Errorf("%s prints as %q and is read as %s, %v", got, formatDuration(got), back, err)
		}
	}
	for in, want := range map[time.Duration]string{7 * day: "7d", day: "24h", 90 * time.Minute: "1h30m", 0: "0", 30 * time.Minute: "30m"} {
		if got := formatDuration(in); got != want {
			t.Errorf("%s prints as %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"", "d", "-1h", "-1d", "1d-1h", "1d1d", "30", "soon", "1w", "1.5d", "999999999d", "106751d999999h"} {
		if got, err := ParseDuration(in); err == nil {
			t.Errorf("%q was read as %s", in, got)
		}
	}
}

func TestTheLargestTorrentFitsIntoTheStore(t *testing.T) {
	if maxTorrentLimit > store.MaxValueSize*3/4 {
		t.Errorf("%s may not fit into a value of %s with its envelope", maxTorrentLimit, Size(store.MaxValueSize))
	}
}

func TestTheGuideNamesEverySetting(t *testing.T) {
	raw, err := os.ReadFile("../../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	guide := string(raw)
	for _, want := range []string{"`--config`", "`HAUL_CONFIG`"} {
		if !strings.Contains(guide, want) {
			t.Errorf("the guide does not name %s", want)
		}
	}
	for _, s := range settings() {
		want := []string{"`" + s.key + "`", "`" + s.env() + "`"}
		if !s.secret {
			want = append(want, "`--"+s.flag()+"`")
		}
		if s.value != "" {
			want = append(want, "`"+s.value+"`")
		}
		for _, w := range want {
			if !strings.Contains(guide, w) {
				t.Errorf("the guide does not name %s", w)
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	f.Add("listen: ':1'\nplugins: [a]\ntorrent_limit: 1MiB\n")
	f.Add("a: &x 1\n? [b]\n: *x\n<<: {}\n")
	f.Fuzz(func(t *testing.T, file string) {
		c, err := setup{args: []string{"--config", "haul.yaml"}, env: map[string]string{"HOME": "/h"}, file: file}.load(t)
		if err == nil && c.Validate() != nil {
			t.Errorf("%q was taken and is not valid: %v", file, c.Validate())
		}
	})
}
