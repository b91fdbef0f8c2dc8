package errs_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/haul-dl/haul/sdk/errs"
)

func TestTheFirstCodeInTheChainCounts(t *testing.T) {
	inner := errs.New(errs.OutOfSpace, "disk full")
	outer := errs.Wrap(inner, errs.DownloaderError, "add failed")
	for name, c := range map[string]struct {
		err  error
		code errs.Code
		kind errs.Kind
	}{
		"nothing":             {nil, "", errs.KindInternal},
		"a bare error":        {errors.New("x"), errs.Internal, errs.KindInternal},
		"an error":            {inner, errs.OutOfSpace, errs.KindExhausted},
		"a wrapped error":     {fmt.Errorf("doing: %w", inner), errs.OutOfSpace, errs.KindExhausted},
		"a code over another": {outer, errs.DownloaderError, errs.KindUnavailable},
		"an unknown code":     {errs.New("x_y", "m"), "x_y", errs.KindInternal},
		"a kind of its own":   {&errs.Error{Code: "x_y", Kind: errs.KindConflict}, "x_y", errs.KindConflict},
	} {
		t.Run(name, func(t *testing.T) {
			if got := errs.CodeOf(c.err); got != c.code {
				t.Errorf("code is %q", got)
			}
			if got := errs.KindOf(c.err); got != c.kind {
				t.Errorf("kind is %q", got)
			}
		})
	}
	if !errs.Is(outer, errs.DownloaderError) || errs.Is(outer, errs.OutOfSpace) || errs.Is(nil, "") {
		t.Error("Is does not look at the first code alone")
	}
}

func TestUsersSeeNoCauses(t *testing.T) {
	cause := errors.New("/secret/path")
	for name, err := range map[string]error{
		"a bare error":         cause,
		"an error":             errs.Wrap(cause, errs.DownloaderError, "It failed."),
		"an error without msg": &errs.Error{Code: errs.DownloaderError, Err: cause},
	} {
		t.Run(name, func(t *testing.T) {
			for _, text := range []string{errs.MessageOf(err), errs.HintOf(err)} {
				if strings.Contains(text, "secret") || text == "" {
					t.Errorf("users see %q", text)
				}
			}
			if !strings.Contains(err.Error(), "/secret/path") || !errors.Is(err, cause) {
				t.Errorf("logs lack the cause: %v", err)
			}
		})
	}
}

func TestAnErrorOverridesWhatItsCodeSays(t *testing.T) {
	no := false
	plain := errs.New(errs.Unavailable, "m")
	changed := plain.WithHint("wait %d s", 5).WithField("a", "wrong").WithField("b", "wrong")
	if errs.HintOf(changed) != "wait 5 s" || len(changed.Fields) != 2 {
		t.Errorf("got %+v", changed)
	}
	if errs.HintOf(plain) != errs.Unavailable.Hint() || len(plain.Fields) != 0 {
		t.Errorf("the first error changed: %+v", plain)
	}
	if !errs.IsRetryable(plain) || errs.IsRetryable(&errs.Error{Code: errs.Unavailable, Retryable: &no}) || errs.IsRetryable(errors.New("x")) {
		t.Error("retryable is wrong")
	}
}

func TestEveryCodeHasATitleAndAKind(t *testing.T) {
	for _, code := range errs.Codes() {
		if !strings.HasSuffix(code.Title(), ".") || code.Kind() == "" {
			t.Errorf("%s: title %q, kind %q", code, code.Title(), code.Kind())
		}
		if code.Hint() == "" && code != errs.Canceled {
			t.Errorf("%s has no hint", code)
		}
	}
}
