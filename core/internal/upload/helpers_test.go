package upload

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/core/internal/delivery"
	"github.com/haul-dl/haul/sdk/downloader"
)

const task core.TaskID = "01900000-0000-7000-8000-000000000001"

func newUploader() *Uploader { return New(hclog.NewNullLogger()) }

// newJob makes a job's directory with these files; they go to the folder "home".
func newJob(t *testing.T, to *memory, files tree) delivery.Job {
	t.Helper()
	job := delivery.Job{Task: task, Source: t.TempDir(), Remote: to, Path: "home"}
	for i, name := range files.names() {
		write(t, job, name, files[name])
		job.Files = append(job.Files, downloader.File{Index: i, Path: name, Size: int64(len(files[name]))})
	}
	return job
}

func write(t *testing.T, job delivery.Job, name, content string) {
	t.Helper()
	file := filepath.Join(job.Source, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// deliver plans and executes as the node does.
func deliver(ctx context.Context, u *Uploader, job delivery.Job) (delivery.Result, error) {
	plan, err := u.Plan(ctx, job)
	if err != nil {
		return delivery.Result{}, err
	}
	return execute(ctx, u, job, &plan)
}

// execute carries out a stored plan, and keeps what is stored of it up to date.
func execute(ctx context.Context, u *Uploader, job delivery.Job, stored *delivery.Plan) (delivery.Result, error) {
	return executeWith(ctx, u, job, stored, delivery.Hooks{Save: func(_ context.Context, p delivery.Plan) error {
		*stored = p
		return nil
	}})
}

func executeWith(ctx context.Context, u *Uploader, job delivery.Job, stored *delivery.Plan, hooks delivery.Hooks) (delivery.Result, error) {
	for {
		r, err := u.Execute(ctx, job, *stored, hooks)
		if !errors.Is(err, delivery.ErrReplan) {
			return r, err
		}
		if *stored, err = u.Replan(ctx, job, *stored); err != nil {
			return delivery.Result{}, err
		}
	}
}

func assertHas(t *testing.T, m *memory, want tree) {
	t.Helper()
	if got := m.has(); !maps.Equal(got, want) {
		t.Errorf("the storage has %q, want %q", got, want)
	}
}

// paths lists where files are, "-" before those that were skipped.
func paths(r delivery.Result) string {
	out := make([]string, 0, len(r.Files))
	for _, f := range r.Files {
		if f.Skipped {
			f.Path = "-" + f.Path
		}
		out = append(out, f.Path)
	}
	return strings.Join(out, "|")
}
