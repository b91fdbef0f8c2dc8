package lab

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// S3 is a server of S3's protocol, versitygw. Its buckets are kept over a restart.
type S3 struct {
	// Endpoint is its URL, "http://127.0.0.1:PORT".
	Endpoint string
	// AccessKey and SecretKey are those of its only user.
	AccessKey, SecretKey string
	// Region is the one that signatures are made for.
	Region string
	// Buckets is the folder that has one folder per bucket, with the files in it.
	Buckets string

	d *daemon
}

// s3Module is where the server's command is, in a module of its own.
const s3Module = "storages/rclone/internal/testservers"

// StartS3 starts a server with these buckets. It ends with the test. The first
// start on a machine builds the server, which takes a while.
func StartS3(t testing.TB, buckets ...string) *S3 {
	t.Helper()
	base := t.TempDir()
	s := &S3{AccessKey: "haul", SecretKey: newSecret(), Region: "us-east-1", Buckets: filepath.Join(base, "buckets")}
	for _, bucket := range buckets {
		if err := os.MkdirAll(filepath.Join(s.Buckets, bucket), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s.d = &daemon{t: t, base: base, program: program{
		name:      buildTool(t, s3Module, "testservers"),
		pkg:       "golang",
		configure: func(ports) error { return nil },
		command: func(p ports) (args, env []string) {
			return []string{"-address", fmt.Sprintf("127.0.0.1:%d", p.api), "-dir", base},
				[]string{"S3_ACCESS_KEY=" + s.AccessKey, "S3_SECRET_KEY=" + s.SecretKey}
		},
		ready: func(ctx context.Context, client *http.Client, p ports) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/health", p.api), http.NoBody)
			if err != nil {
				return err
			}
			return expect(client, req, http.StatusOK)
		},
	}}
	s.d.start()
	s.Endpoint = fmt.Sprintf("http://127.0.0.1:%d", s.d.ports.api)
	return s
}

// buildTool builds a tool of one of the repository's modules, and returns the
// path of the executable in Go's cache.
func buildTool(t testing.TB, dir, tool string) string {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/haul-dl/haul").Output()
	if err != nil {
		t.Fatalf("find the repository: %v", err)
	}
	cmd := exec.Command("go", "tool", "-n", tool)
	cmd.Dir = filepath.Join(strings.TrimSpace(string(root)), dir)
	// The same flags from everywhere, so that it is compiled once.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	var trouble bytes.Buffer
	cmd.Stderr = &trouble
	path, err := cmd.Output()
	if err != nil {
		t.Fatalf("build %s: %v\n%s", tool, err, trouble.String())
	}
	return strings.TrimSpace(string(path))
}

// Stop ends it as an init system does, and waits for the end.
func (s *S3) Stop() { s.d.t.Helper(); s.d.stop() }

// Kill9 ends it without a word, and waits for the end.
func (s *S3) Kill9() { s.d.kill9() }

// Restart starts it again at the same address, with the buckets as they are.
func (s *S3) Restart() { s.d.t.Helper(); s.d.restart() }

// Log returns the end of what it has printed.
func (s *S3) Log() string { return string(s.d.logTail()) }
