package e2e

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// TestAStorageThatIsWrongSaysWhy adds storages whose settings are not right.
func TestAStorageThatIsWrongSaysWhy(t *testing.T) {
	t.Parallel()
	cloud, dav, sftp := newCloud(t), lab.StartWebDAV(t), lab.StartSFTP(t)
	server := Start(t, withRclone(t))
	with := func(settings map[string]any, key string, value any) map[string]any {
		out, options := maps.Clone(settings), maps.Clone(settings["options"].(map[string]any))
		if _, top := settings[key]; top {
			out[key] = value
		} else {
			options[key] = value
		}
		out["options"] = options
		return out
	}
	onDAV := map[string]any{"type": "webdav", "path": "x", "options": map[string]any{"url": dav.URL, "user": dav.Username, "pass": dav.Password}}
	onSFTP := map[string]any{"type": "sftp", "path": sftp.Dir, "options": map[string]any{
		"host": sftp.Host, "port": sftp.Port, "user": sftp.Username, "pass": sftp.Password,
	}}
	const wrong = "a wrong one"
	nobody := closedAddress(t)
	for name, at := range map[string]struct {
		settings map[string]any
		code     string
	}{
		"s3-secret":   {with(cloud.settings, "secret_access_key", wrong), "storage_auth_failed"},
		"s3-key":      {with(cloud.settings, "access_key_id", wrong), "storage_auth_failed"},
		"s3-bucket":   {with(cloud.settings, "path", "no-such-bucket"), "storage_error"},
		"s3-address":  {with(cloud.settings, "endpoint", "http://"+nobody), "storage_unreachable"},
		"dav-pass":    {with(onDAV, "pass", wrong), "storage_auth_failed"},
		"dav-address": {with(onDAV, "url", "http://"+nobody), "storage_unreachable"},
		"sftp-pass":   {with(onSFTP, "pass", wrong), "storage_auth_failed"},
		"sftp-host":   {with(onSFTP, "host", "no-such-host.invalid"), "storage_unreachable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := server.in(t)
			request := map[string]any{"name": name, "kind": "rclone", "settings": at.settings}
			found := s.tryStorage("/storages/test", request)
			if last := found.Checks[len(found.Checks)-1]; found.OK || last.Code != at.code || last.Hint == "" {
				t.Errorf("the test says %+v", found)
			}
			s.Must("POST", "/storages", request, nil)
			WaitFor(t, 30*time.Second, "the storage to be known as bad", func() bool { return s.Storage(name).Health.State == "degraded" })
			health := s.Storage(name).Health
			if health.Code != at.code {
				t.Errorf("the storage's health is %+v", health)
			}
			for _, secret := range []string{wrong, "127.0.0.1", "no-such-host"} {
				if strings.Contains(health.Message, secret) {
					t.Errorf("everybody is told %q", health.Message)
				}
			}
		})
	}
}

// TestStorageSettingsAreChecked adds storages that can never be right.
func TestStorageSettingsAreChecked(t *testing.T) {
	t.Parallel()
	s := Start(t, withRclone(t))
	for _, c := range []struct {
		name     string
		kind     string
		settings map[string]any
		status   int
		code     string
	}{
		{"the node's own disk", "rclone", map[string]any{"type": "local", "path": "/tmp"}, 400, "invalid_settings"},
		{"no type of rclone's", "rclone", map[string]any{"type": "nothing"}, 400, "invalid_settings"},
		{"no option of any type", "rclone", map[string]any{"type": "s3", "options": map[string]any{"nothing": 1}}, 400, "invalid_settings"},
		{"no plugin", "nothing", map[string]any{}, 422, "plugin_missing"},
	} {
		request := map[string]any{"name": "wrong", "kind": c.kind, "settings": c.settings}
		for _, path := range []string{"/storages/test", "/storages"} {
			t.Log(c.name)
			assertProblem(t, s.Do("POST", path, request), c.status, c.code)
		}
	}
	// What only the plugin can say is said once it has started.
	conf := fmt.Sprintf("[disk]\ntype = alias\nremote = %s\n", t.TempDir())
	request := map[string]any{"name": "wrong", "kind": "rclone", "settings": map[string]any{"config": conf, "remote": "disk:"}}
	if found := s.tryStorage("/storages/test", request); found.failed() != "invalid_settings" {
		t.Errorf("the test says %+v", found)
	}
	s.Must("POST", "/storages", request, nil)
	WaitFor(t, 30*time.Second, "the storage to fail", func() bool { return s.Storage("wrong").Health.State == "failed" })
	if health := s.Storage("wrong").Health; health.Code != "invalid_settings" || health.Message == "" {
		t.Errorf("the storage's health is %+v", health)
	}
	if got := s.Storage("wrong").Settings; got["config"] != "<secret>" {
		t.Errorf("the settings show as %v", got)
	}
}
