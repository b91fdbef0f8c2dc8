package driver

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	_ "github.com/rclone/rclone/backend/alias"
	_ "github.com/rclone/rclone/backend/crypt"
	_ "github.com/rclone/rclone/backend/onedrive"
	_ "github.com/rclone/rclone/backend/s3"
	_ "github.com/rclone/rclone/backend/sftp"
	_ "github.com/rclone/rclone/backend/smb"
	_ "github.com/rclone/rclone/backend/union"
	_ "github.com/rclone/rclone/backend/webdav"

	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/storage"
)

// timeout bounds each call of a test.
const timeout = 60 * time.Second

// server is one that files are put to, with a look behind it.
type server struct {
	name     string
	settings map[string]any
	// dir is the folder with the files, as the server itself keeps them.
	dir string
	// parts is where it keeps the parts of files that are not whole yet; "" where
	// they are files in dir.
	parts string
	// secret is the option that must be right to get in.
	secret        string
	stop, restart func()
}

// servers are those that run here, by name.
var servers = map[string]func(t *testing.T) server{
	"S3": func(t *testing.T) server {
		s := lab.StartS3(t, "bucket")
		return server{
			name: "S3", dir: filepath.Join(s.Buckets, "bucket", "home"), secret: "secret_access_key",
			parts: filepath.Join(s.Buckets, "bucket", ".sgwtmp", "multipart"),
			settings: map[string]any{"type": "s3", "path": "bucket/home", "options": map[string]any{
				"provider": "Other", "endpoint": s.Endpoint, "access_key_id": s.AccessKey,
				"secret_access_key": s.SecretKey, "region": s.Region, "force_path_style": true,
				"upload_cutoff": "8M", "chunk_size": "5M",
			}},
			stop: s.Kill9, restart: s.Restart,
		}
	},
	"WebDAV": func(t *testing.T) server {
		s := lab.StartWebDAV(t)
		return server{
			name: "WebDAV", dir: filepath.Join(s.Dir, "home"), secret: "pass",
			settings: map[string]any{"type": "webdav", "path": "home", "options": map[string]any{
				"url": s.URL, "user": s.Username, "pass": s.Password,
			}},
			stop: s.Kill9, restart: s.Restart,
		}
	},
	"SFTP": func(t *testing.T) server {
		s := lab.StartSFTP(t)
		return server{
			name: "SFTP", dir: filepath.Join(s.Dir, "home"), secret: "pass",
			settings: map[string]any{"type": "sftp", "path": filepath.Join(s.Dir, "home"), "options": map[string]any{
				"host": s.Host, "port": s.Port, "user": s.Username, "pass": s.Password,
			}},
			stop: s.Stop, restart: s.Restart,
		}
	},
}

// onEach runs a test with each of the servers.
func onEach(t *testing.T, test func(t *testing.T, s server)) {
	t.Helper()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// with returns the server's settings with another value of an option.
func (s server) with(option string, value any) map[string]any {
	out := map[string]any{}
	for k, v := range s.settings {
		out[k] = v
	}
	options := map[string]any{option: value}
	for k, v := range s.settings["options"].(map[string]any) {
		if k != option {
			options[k] = v
		}
	}
	out["options"] = options
	return out
}

// uploads lists the uploads in parts that the server has begun.
func (s server) uploads(t *testing.T) []string {
	t.Helper()
	if s.parts == "" {
		return nil
	}
	found, err := filepath.Glob(filepath.Join(s.parts, "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// visible returns what the server shows, except for hidden names that it keeps
// for itself.
func (s server) visible(t *testing.T) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(s.dir, func(path string, e os.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if e.Name() == ".DAV" {
			return filepath.SkipDir
		}
		if !e.IsDir() && !strings.HasPrefix(e.Name(), ".davfs.tmp") { // Apache's own, when it is killed
			name, _ := filepath.Rel(s.dir, path)
			names = append(names, name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// configure makes a driver; it is closed with the test.
func configure(t *testing.T, settings map[string]any) *Driver {
	t.Helper()
	return configureIn(t, settings, t.TempDir(), hclog.NewNullLogger())
}

func configureIn(t *testing.T, settings map[string]any, stateDir string, logger hclog.Logger) *Driver {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", os.Getenv("TMPDIR")) // a plugin changes that of its process
	d, err := New().Configure(t.Context(), storage.Config{StorageID: "test", Settings: raw, StateDir: stateDir, Logger: logger})
	if err != nil {
		t.Fatalf("configure: %v", err)
	}
	driver := d.(*Driver)
	t.Cleanup(func() {
		if err := driver.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return driver
}

func withTimeout(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	t.Cleanup(cancel)
	return ctx
}

// content returns bytes that depend on the place in the file.
func content(size int) []byte {
	out := make([]byte, size)
	for i := range out {
		out[i] = byte(i*7 + i>>8)
	}
	return out
}

func request(path string, data []byte) storage.PutRequest {
	return storage.PutRequest{
		Path: path, Size: int64(len(data)), Content: bytes.NewReader(data),
		ModTime: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC),
	}
}

// halting is content that calls halt once when it has handed out half of its bytes.
type halting struct {
	r    io.Reader
	left int
	halt func() error
}

func halfway(data []byte, halt func() error) *halting {
	return &halting{r: bytes.NewReader(data), left: len(data) / 2, halt: halt}
}

func (h *halting) Read(p []byte) (int, error) {
	if h.left <= 0 && h.halt != nil {
		halt := h.halt
		h.halt = nil
		if err := halt(); err != nil {
			return 0, err
		}
	}
	n, err := h.r.Read(p[:min(len(p), 32<<10)])
	h.left -= n
	return n, err
}

func hidden(names []string) []string {
	var out []string
	for _, n := range names {
		if strings.HasPrefix(filepath.Base(n), ".haul-") {
			out = append(out, n)
		}
	}
	return out
}
