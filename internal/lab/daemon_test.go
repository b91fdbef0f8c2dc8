package lab

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orphanEnv makes this test binary start a daemon and say so, to be killed.
const orphanEnv = "LAB_TEST_ORPHAN"

func TestNothingOutlivesTheTestBinary(t *testing.T) {
	if os.Getenv(orphanEnv) != "" {
		a := StartAria2(t, Aria2Options{})
		fmt.Printf("PID %d\n", a.PID)
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestNothingOutlivesTheTestBinary$")
	cmd.Env = append(os.Environ(), orphanEnv+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for in := bufio.NewScanner(out); pid == 0 && in.Scan(); {
		if text, ok := strings.CutPrefix(in.Text(), "PID "); ok {
			pid, err = strconv.Atoi(text)
		}
	}
	if err != nil || pid == 0 {
		t.Fatalf("PID %d, %v", pid, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait() // it was killed
	waitFor(t, 10*time.Second, "aria2c to be gone", func() bool { return !runs(pid) })
}

// runs reports whether a process is alive; one that nobody waited for is not.
func runs(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(raw), ") Z ")
}

func TestEachDaemonComesBackWithWhatItHad(t *testing.T) {
	t.Run("qBittorrent", func(t *testing.T) {
		t.Parallel()
		swarm := StartSwarm(t)
		c, ok := startQBittorrentClient(t).(qbittorrentClient)
		if !ok {
			t.Fatal("another client")
		}
		c.addTorrent(t, swarm.Torrent("dead").Bytes)
		waitFor(t, 10*time.Second, "the torrent to show", func() bool { return len(c.torrents(t)) == 1 })
		address := c.Address
		c.Stop()
		c.Restart()
		if c.Address != address {
			t.Errorf("address %s, was %s", c.Address, address)
		}
		waitFor(t, 10*time.Second, "the torrent to show again", func() bool { return len(c.torrents(t)) == 1 })
	})
	t.Run("Transmission", func(t *testing.T) {
		t.Parallel()
		swarm := StartSwarm(t)
		c, ok := startTransmissionClient(t).(transmissionClient)
		if !ok {
			t.Fatal("another client")
		}
		c.addTorrent(t, swarm.Torrent("dead").Bytes)
		address := c.Address
		c.Kill9()
		c.Restart()
		if c.Address != address {
			t.Errorf("address %s, was %s", c.Address, address)
		}
	})
}

func (c qbittorrentClient) torrents(t *testing.T) []any {
	t.Helper()
	c.login(t)
	resp := do(t, c.http, post(t, c.Address+"/api/v2/torrents/info", "application/x-www-form-urlencoded", strings.NewReader("")))
	var all []any
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPermissionsCountEvenForRoot(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "locked")
	if err := os.Mkdir(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	web := StartWeb(t)
	a := StartAria2(t, Aria2Options{Dir: dir})
	aria2Client{a}.call(t, "aria2.addUri", []string{web.URL + "/data/x.bin"})
	waitFor(t, 20*time.Second, "aria2 to complain", func() bool { return strings.Contains(a.Log(), "Permission denied") })
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
}

func TestLeftoversAreFound(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", "sleep 600 & exec sleep 600")
	p, err := startProcess(cmd)
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, 10*time.Second, "both to run", func() bool { return len(p.leftovers()) == 2 })
	p.kill()
	left := p.leftovers()
	if len(left) != 1 {
		t.Fatalf("left: %v", left)
	}
	if err := syscall.Kill(left[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 10*time.Second, "the other one to be gone", func() bool { return !runs(left[0]) })
}

func TestAnFTPServerServesTheSameFiles(t *testing.T) {
	ftp, web, a := StartFTP(t), StartWeb(t), StartAria2(t, Aria2Options{})
	aria2Client{a}.call(t, "aria2.addUri", []string{ftp.URL + "/dir/x.bin"})
	waitFor(t, 20*time.Second, "the file", func() bool {
		raw, err := os.ReadFile(filepath.Join(a.Dir, "x.bin"))
		return err == nil && digest(raw) == ftp.SHA256("x.bin")
	})
	if ftp.SHA256("x.bin") != web.SHA256("/data/x.bin") || ftp.Fetches("x.bin") != 1 {
		t.Errorf("fetched %d times", ftp.Fetches("x.bin"))
	}
}
