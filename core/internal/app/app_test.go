package app

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/haul-dl/haul/core/internal/config"
	"github.com/haul-dl/haul/sdk/errs"
)

// newServer makes a server that is not run, and undoes it with the test.
func newServer(t *testing.T, data, listen string) (*Server, error) {
	t.Helper()
	c := &config.Config{Data: data, Listen: listen, TorrentLimit: config.DefaultTorrentLimit}
	s, err := New(t.Context(), c, hclog.NewNullLogger())
	if err == nil {
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			if err := s.lifecycle.stop(ctx); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
	}
	return s, err
}

func TestFirstStartWhosePortIsTakenKeepsThePasswordForTheNext(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	data := filepath.Join(t.TempDir(), "data")

	_, err = newServer(t, data, taken.Addr().String())
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.MessageOf(err), taken.Addr().String()) {
		t.Fatalf("a taken port gives %v, want unavailable with the address", err)
	}
	if hint := errs.HintOf(err); !strings.Contains(hint, "--listen") {
		t.Errorf("the hint %q does not name --listen", hint)
	}
	s, err := newServer(t, data, "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if s.GeneratedPassword == "" {
		t.Error("the second start shows no password, and nobody has seen one")
	}
}

func TestGreetingShowsALoginThatWorks(t *testing.T) {
	s, err := newServer(t, t.TempDir(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	want := "Log in with:  HAUL_URL=" + s.URL() + " bin/haul login\n"
	if got := s.greeting("bin/haul"); !strings.HasSuffix(got, want) || !strings.Contains(got, s.GeneratedPassword) {
		t.Errorf("the greeting is %q, want the password and %q at its end", got, want)
	}
}

func TestDataDirectoryThatCannotBeMadeSaysWhatToDo(t *testing.T) {
	_, err := newServer(t, "/dev/null/data", "127.0.0.1:0")
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.HintOf(err), "--data") {
		t.Errorf("got %v with hint %q, want unavailable and a hint with --data", err, errs.HintOf(err))
	}
}
