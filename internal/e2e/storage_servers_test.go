package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/haul-dl/haul/internal/lab"
)

// buildRclone builds the plugin haul-storage-rclone once, where a test wants it,
// into a folder of its own beside the binaries of all tests.
var buildRclone = sync.OnceValues(func() (string, error) {
	b, err := build()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(filepath.Dir(b.Haul), "storages")
	// The flags of `make test-storages`, so that rclone is compiled once.
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "haul-storage-rclone"), ".")
	cmd.Dir = "../../storages/rclone"
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-buildvcs=false -trimpath -tags=few")
	if msg, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", cmd.Dir, err, msg)
	}
	return dir, nil
})

// cloud is an S3 server that haul delivers to, behind a valve.
type cloud struct {
	*lab.S3
	*lab.Valve
	// settings are those of the storage.
	settings map[string]any
}

const bucket = "bucket"

// newCloud starts one. Files of 8 MiB and more go up in parts.
func newCloud(t testing.TB) *cloud {
	t.Helper()
	s3 := lab.StartS3(t, bucket)
	valve := lab.StartValve(t, strings.TrimPrefix(s3.Endpoint, "http://"))
	return &cloud{S3: s3, Valve: valve, settings: map[string]any{
		"type": "s3", "path": bucket + "/haul", "options": map[string]any{
			"provider": "Other", "endpoint": "http://" + valve.Address, "region": s3.Region, "force_path_style": true,
			"access_key_id": s3.AccessKey, "secret_access_key": s3.SecretKey,
			"upload_cutoff": "8M", "chunk_size": "5M",
		},
	}}
}

// dir is the folder in which the server keeps a user's home.
func (c *cloud) dir(user string) string { return filepath.Join(c.Buckets, bucket, "haul", user) }

// withRclone are options of a server that has the plugin.
func withRclone(t testing.TB) Options {
	t.Helper()
	dir, err := buildRclone()
	if err != nil {
		t.Fatal(err)
	}
	return Options{Args: []string{"--plugins", dir}}
}

// AddStorage adds a storage of rclone, and waits until it is well.
func (s *Server) AddStorage(name string, settings map[string]any) {
	s.t.Helper()
	s.Must("POST", "/storages", map[string]any{"name": name, "kind": "rclone", "settings": settings}, nil)
	WaitFor(s.t, 30*time.Second, "storage "+name+" to be well", func() bool { return s.Storage(name).Health.State == "ok" })
}

// Storage is a storage as the server shows it.
type Storage struct {
	ID, Name, Kind string
	Settings       map[string]any
	Health         struct{ State, Code, Message string }
}

// Storage returns one storage.
func (s *Server) Storage(name string) Storage {
	s.t.Helper()
	var out Storage
	s.Must("GET", "/storages/"+name, nil, &out)
	return out
}

// StoragePID returns the process of a storage's plugin; 0 where there is none.
func (s *Server) StoragePID(name string) int {
	s.t.Helper()
	for _, file := range s.PluginFiles("rclone") {
		for _, i := range file.Instances {
			if i.Name == name {
				return i.PID
			}
		}
	}
	return 0
}

// tryStorage has a storage tested.
func (s *Server) tryStorage(path string, request any) testResult {
	s.t.Helper()
	var out testResult
	s.Must("POST", path, request, &out)
	return out
}
