package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/haul-dl/haul/core"
	"github.com/haul-dl/haul/sdk/downloader"
)

// killEnv tells a process which directories to deliver from and to, until it is
// killed.
const killEnv = "HAUL_TEST_KILLED_DELIVERY"

// TestAKilledCopyGoesOn kills a process, which nothing can clean up after, in the
// middle of a copy. What it had copied is not copied again.
func TestAKilledCopyGoesOn(t *testing.T) {
	const size = 32 << 20
	pieces := withPieces(1<<20, 4<<20)
	if dirs := filepath.SplitList(os.Getenv(killEnv)); len(dirs) == 2 {
		job := killedJob(dirs[0], dirs[1], size)
		stuck := WithFailpoint(func(point string) {
			if point == "checkpoint stored" {
				_, _ = os.Stdout.WriteString("\nhalf\n")
				_, _ = io.Copy(io.Discard, os.Stdin) // it waits for its end
			}
		})
		plan := mustPlan(t, job)
		_, err := newMover(stuck, pieces).Execute(t.Context(), job, plan, Hooks{Save: func(_ context.Context, p Plan) error {
			stored, err := json.Marshal(p)
			if err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dirs[0], "plan.json"), stored, 0o600)
		}})
		t.Fatal("it was not killed: ", err)
	}
	from, to := memory(t), otherDeviceOf(t, "size=64m")
	writeRandom(t, filepath.Join(from, "big.bin"), size)
	stored := killHalfway(t, from, to)
	var plan Plan
	if err := json.Unmarshal(stored, &plan); err != nil || plan.Half == nil || plan.Half.Done < 4<<20 {
		t.Fatalf("stored: %s, %v", stored, err)
	}
	job, first := killedJob(from, to, size), int64(0)
	if got := read(t, job.folder()); len(got) != 1 || got["big.bin"] != "" {
		t.Errorf("after the kill there are %q", got.names())
	}
	hooks := Hooks{Save: failingSave(nil), Progress: func(done int64, _ int) {
		if first == 0 {
			first = done
		}
	}}
	if _, err := newMover(pieces).Execute(t.Context(), job, plan, hooks); err != nil {
		t.Fatal(err)
	}
	if first <= plan.Half.Done {
		t.Errorf("it began again at %d of %d", first, plan.Half.Done)
	}
	want, err := os.ReadFile(filepath.Join(from, "big.bin"))
	if err != nil {
		t.Fatal(err)
	}
	assertTree(t, job.folder(), tree{"big.bin": string(want)})
}

func killedJob(from, to string, size int64) Job {
	return Job{Task: core.TaskID("killed"), Source: from, Root: to, Path: "home", Files: []downloader.File{{Path: "big.bin", Size: size}}}
}

// killHalfway starts a delivery in a process of its own, kills it when half a
// file is there, and returns the plan that it stored last.
func killHalfway(t *testing.T, from, to string) []byte {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestAKilledCopyGoesOn$")
	cmd.Env = append(os.Environ(), killEnv+"="+from+string(filepath.ListSeparator)+to)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said []byte
	for buf := make([]byte, 1024); !bytes.Contains(said, []byte("half\n")); {
		n, err := out.Read(buf)
		said = append(said, buf[:n]...)
		if err != nil {
			t.Errorf("it ended early: %s", said)
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait() // it was killed
	stored, err := os.ReadFile(filepath.Join(from, "plan.json"))
	if err != nil {
		t.Fatal(err)
	}
	return stored
}
