package driver

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/rclone/rclone/fs"
	"github.com/rclone/rclone/fs/config"
	"github.com/rclone/rclone/fs/config/obscure"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/errs"
	"github.com/haul-dl/haul/sdk/schema"
	"github.com/haul-dl/haul/sdk/storage"
)

func TestSettingsThatAreRefused(t *testing.T) {
	const conf = "[nas]\ntype = sftp\nhost = nas\n\n[disk]\ntype = local\n\n[mnt]\ntype = alias\nremote = /mnt\n\n" +
		"[vault]\ntype = crypt\nremote = disk:secret\npassword = x\n\n[both]\ntype = union\nupstreams = nas:a mnt:b\n\n" +
		"[prog]\ntype = sftp\nssh = ssh -o x nas\n\n[conn]\ntype = alias\nremote = :local:/mnt\n\n[odd]\ntype = nosuch\n"
	tests := map[string]struct {
		settings map[string]any
		field    string
	}{
		"nothing":                            {map[string]any{}, "type"},
		"a configuration and a type":         {map[string]any{"config": conf, "type": "s3"}, "type"},
		"a configuration without a remote":   {map[string]any{"config": conf}, "remote"},
		"a remote that is not configured":    {map[string]any{"config": conf, "remote": "other:x"}, "remote"},
		"a folder in place of a remote":      {map[string]any{"config": conf, "remote": "/etc"}, "remote"},
		"a connection string":                {map[string]any{"config": conf, "remote": ":local:/etc"}, "remote"},
		"options in a remote":                {map[string]any{"config": conf, "remote": "nas,host=evil:x"}, "remote"},
		"a remote of an unknown type":        {map[string]any{"config": conf, "remote": "odd:x"}, "remote"},
		"the node's disk":                    {map[string]any{"config": conf, "remote": "disk:/"}, "remote"},
		"the node's disk by an alias":        {map[string]any{"config": conf, "remote": "mnt:x"}, "remote"},
		"the node's disk, encrypted":         {map[string]any{"config": conf, "remote": "vault:x"}, "remote"},
		"the node's disk in a union":         {map[string]any{"config": conf, "remote": "both:x"}, "remote"},
		"the node's disk in a string":        {map[string]any{"config": conf, "remote": "conn:x"}, "remote"},
		"a program of the node":              {map[string]any{"config": conf, "remote": "prog:x"}, "remote"},
		"what is no configuration":           {map[string]any{"config": "{}", "remote": "x:"}, "config"},
		"a file that does not exist":         {map[string]any{"config_file": "/nonexistent/rclone.conf", "remote": "x:"}, "config_file"},
		"a file with a relative path":        {map[string]any{"config_file": "rclone.conf", "remote": "x:"}, "config_file"},
		"type local":                         {map[string]any{"type": "local", "path": "/"}, "type"},
		"an unknown type":                    {map[string]any{"type": "nosuch"}, "type"},
		"an option of another type":          {map[string]any{"type": "sftp", "options": map[string]any{"endpoint": "x"}}, "options.endpoint"},
		"an option that is a list":           {map[string]any{"type": "sftp", "options": map[string]any{"host": []string{"x"}}}, "options.host"},
		"an option that has another type":    {map[string]any{"type": "s3", "options": map[string]any{"force_path_style": "maybe"}}, "options.force_path_style"},
		"a program in the options":           {map[string]any{"type": "sftp", "options": map[string]any{"ssh": "sh"}}, "type"},
		"a program for a token":              {map[string]any{"type": "webdav", "options": map[string]any{"bearer_token_command": "sh"}}, "type"},
		"a path beside a configured remote":  {map[string]any{"config": conf, "remote": "nas:x", "path": "y"}, "remote"},
		"a password for no configuration":    {map[string]any{"type": "sftp", "config_password": "x"}, "remote"},
		"an encrypted one without password":  {map[string]any{"config": encrypted(t, "[nas]\ntype = sftp\n", "right"), "remote": "nas:"}, "config_password"},
		"an encrypted one, another password": {map[string]any{"config": encrypted(t, "[nas]\ntype = sftp\n", "right"), "config_password": "wrong", "remote": "nas:"}, "config_password"},
	}
	for what, test := range tests {
		t.Run(what, func(t *testing.T) {
			raw, _ := json.Marshal(test.settings)
			t.Setenv("TMPDIR", os.Getenv("TMPDIR"))
			_, err := New().Configure(t.Context(), storage.Config{Settings: raw, StateDir: t.TempDir(), Logger: hclog.NewNullLogger()})
			e, ok := errors.AsType[*errs.Error](err)
			if !ok || e.Code != errs.InvalidSettings || !slices.ContainsFunc(e.Fields, func(f errs.Field) bool { return f.Name == test.field }) {
				t.Errorf("%+v", err)
			}
		})
	}
}

// encrypted returns an rclone.conf as rclone encrypts it.
func encrypted(t *testing.T, text, password string) string {
	t.Helper()
	if err := config.SetConfigPassword(password); err != nil {
		t.Fatal(err)
	}
	defer config.ClearConfigPassword()
	var out bytes.Buffer
	if err := config.Encrypt(strings.NewReader(text), &out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// sftpConf is an rclone.conf with a server, and with a folder of it encrypted.
func sftpConf(s *lab.SFTP) string {
	section := func(name string, options ...string) string {
		return "[" + name + "]\n" + strings.Join(options, "\n") + "\n\n"
	}
	pass := obscure.MustObscure(s.Password)
	return section("nas", "type = sftp", "host = "+s.Host, "port = "+strconv.Itoa(s.Port), "user = "+s.Username, "pass = "+pass) +
		section("safe", "type = crypt", "remote = nas:"+s.Dir+"/safe", "password = "+pass) +
		section("short", "type = alias", "remote = nas:"+s.Dir+"/home")
}

func TestExistingRemotes(t *testing.T) {
	s := lab.StartSFTP(t)
	file := filepath.Join(t.TempDir(), "rclone.conf")
	before := []byte(sftpConf(s))
	if err := os.WriteFile(file, before, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("RCLONE_CONFIG_NAS_HOST", "127.0.0.2")
	t.Setenv("RCLONE_SFTP_PORT", "1")
	t.Setenv("RCLONE_CONFIG", "/nonexistent")
	tests := map[string]map[string]any{
		"from its contents":       {"config": sftpConf(s), "remote": "nas:" + s.Dir + "/a"},
		"from a file":             {"config_file": file, "remote": "nas:" + s.Dir + "/b"},
		"from an encrypted one":   {"config": encrypted(t, sftpConf(s), "pw"), "config_password": "pw", "remote": "nas:" + s.Dir + "/c"},
		"by an alias":             {"config": sftpConf(s), "remote": "short:d"},
		"with encrypted contents": {"config": sftpConf(s), "remote": "safe:e"},
	}
	for what, settings := range tests {
		t.Run(what, func(t *testing.T) {
			d := configure(t, settings)
			data := content(100_000)
			if _, err := d.Put(withTimeout(t), request("x/f.bin", data)); err != nil {
				t.Fatal(err)
			}
			if o, err := d.Stat(withTimeout(t), "x/f.bin"); err != nil || o.Size != int64(len(data)) {
				t.Errorf("%+v, %v", o, err)
			}
			if result, err := d.Test(withTimeout(t)); err != nil || !result.OK() {
				t.Errorf("%+v, %v", result, err)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "home/d/x/f.bin")); err != nil {
		t.Error(err)
	}
	if after, err := os.ReadFile(file); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the configuration file was written, %v", err)
	}
}

func TestWhatIsRefreshedIsKeptUntilAnotherIsGiven(t *testing.T) {
	dir := t.TempDir()
	given := sections{"one": {"type": "onedrive", "token": "first"}}
	c, err := openConfig(given, dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	c.SetValue("one", "token", "refreshed")
	if err := c.Save(); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, refreshedFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	for token, want := range map[string]string{"first": "refreshed", "second": "second"} {
		c, err := openConfig(sections{"one": {"type": "onedrive", "token": token}}, dir, hclog.NewNullLogger())
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := c.GetValue("one", "token"); got != want {
			t.Errorf("given %s: %s", token, got)
		}
	}
}

func TestTheSchemaKnowsSecretsAndEndpoints(t *testing.T) {
	s, err := schema.Compile(settingsSchema())
	if err != nil {
		t.Fatal(err)
	}
	settings := []byte(`{"type":"s3","path":"b","options":{"endpoint":"http://x","secret_access_key":"k","access_key_id":"i","region":"r"}}`)
	if fields := s.Validate(settings); len(fields) > 0 {
		t.Errorf("%+v", fields)
	}
	if secrets := s.Secrets(settings); len(secrets) != 1 || secrets["options.secret_access_key"] == "" {
		t.Errorf("secrets: %v", secrets)
	}
	if ends := s.Endpoints(settings); ends["options.endpoint"] == "" || ends["type"] == "" {
		t.Errorf("endpoints: %v", ends)
	}
	if fields := s.Validate([]byte(`{"type":"local"}`)); len(fields) == 0 {
		t.Error("type local is taken")
	}
}

func TestTheLogAndErrorsHaveNoSecret(t *testing.T) {
	var log bytes.Buffer
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Trace, Output: &log})
	s := servers["WebDAV"](t)
	secret := s.settings["options"].(map[string]any)["pass"].(string)
	d := configureIn(t, s.settings, t.TempDir(), logger)
	fs.Logf(nil, "the password is %s", secret)
	if !strings.Contains(log.String(), "the password is <secret>") {
		t.Errorf("the log: %s", log.String())
	}
	if said := d.quote("GET http://haul:" + secret + "@nas/: refused"); strings.Contains(said, secret) {
		t.Error(said)
	}
}
