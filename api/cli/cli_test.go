package cli_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/haul-dl/haul/api/cli"
	"github.com/haul-dl/haul/api/rest"
	"github.com/haul-dl/haul/sdk/errs"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"haul": func() { run(os.Args[1:]) },
		// exits runs haul and says what it ends with.
		"exits": func() {
			err := execute(os.Args[2:])
			cli.PrintError(os.Stderr, err)
			if got := fmt.Sprint(cli.ExitCode(err)); got != os.Args[1] {
				fmt.Fprintf(os.Stderr, "exit code %s, want %s\n", got, os.Args[1])
				os.Exit(1)
			}
		},
	})
}

func run(args []string) {
	err := execute(args)
	if err != nil {
		cli.PrintError(os.Stderr, err)
	}
	os.Exit(cli.ExitCode(err))
}

func execute(args []string) error {
	root := &cobra.Command{Use: "haul", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(cli.Commands(cli.Options{Poll: time.Millisecond})...)
	root.SetArgs(args)
	return root.Execute()
}

// TestScripts runs the commands in testdata against the real API over fake services.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			handler, err := rest.New(rest.Options{
				Tasks: &fakeTasks{}, Users: &fakeUsers{tokens: map[string]string{"token-env": "env", "token-boss": "boss"}},
				Accounts: &fakeAccounts{}, Downloaders: &fakeDownloaders{}, Storages: &fakeStorages{}, Ready: fakeReady{}, Metrics: http.NotFoundHandler(),
			})
			if err != nil {
				return err
			}
			server := httptest.NewServer(handler)
			env.Defer(server.Close)
			env.Setenv("HAUL_URL", server.URL)
			env.Setenv("XDG_CONFIG_HOME", env.WorkDir+"/config")
			env.Setenv("TZ", "UTC")
			// Else each of a hundred commands sleeps for a second at its end.
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			return nil
		},
	})
}

func TestExitCodesTellWhatKindOfTrouble(t *testing.T) {
	for code, errors := range map[int][]error{
		0: {nil},
		1: {errs.New(errs.Unavailable, "x"), errs.New(errs.WrongState, "x"), errs.New(errs.InvalidSource, "x"), errors.New("x")},
		2: {errors.New(`unknown command "x" for "haul"`)},
		3: {errs.New(errs.NotFound, "x"), fmt.Errorf("w: %w", errs.New(errs.NotFound, "x")), errors.Join(errs.New(errs.NotFound, "x"))},
		4: {errs.New(errs.Unauthenticated, "x"), errs.New(errs.InvalidLogin, "x"), errs.New(errs.Forbidden, "x")},
	} {
		for _, err := range errors {
			if got := cli.ExitCode(err); got != code {
				t.Errorf("%v: %d, want %d", err, got, code)
			}
		}
	}
}
