package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/haul-dl/haul/api/client"
	"github.com/haul-dl/haul/internal/lab"
	"github.com/haul-dl/haul/sdk/errs"
)

func serve(t *testing.T, status int, contentType, body string) *client.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t0ken" {
			t.Errorf("Authorization: %q", r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	return newClient(t, server.URL+"/")
}

func newClient(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: url, Token: "t0ken"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAProblemIsTheServersErrorAgain(t *testing.T) {
	const problem = `{"status":400,"title":"T","detail":"D","code":"unknown_field","hint":"H","errors":[{"field":"a.b","message":"m"}]}`
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"an answer with content": func(ctx context.Context, c *client.Client) error { _, err := c.Task(ctx, "x"); return err },
		"an answer without":      func(ctx context.Context, c *client.Client) error { return c.DeleteTask(ctx, "x", true) },
		"a file":                 func(ctx context.Context, c *client.Client) error { _, err := c.OpenFile(ctx, "x", 0); return err },
		"an upload": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateTasks(ctx, client.CreateTasksRequest{}, []client.Upload{{Name: "a"}}, "k")
			return err
		},
	} {
		err := call(t.Context(), serve(t, 400, "application/problem+json", problem))
		e, ok := errors.AsType[*errs.Error](err)
		if !ok || e.Code != errs.UnknownField || e.Msg != "D" || e.Hint != "H" || !reflect.DeepEqual(e.Fields, []errs.Field{{Name: "a.b", Message: "m"}}) {
			t.Errorf("%s: got %#v", name, err)
		}
	}
}

func TestACodeOfAnotherVersionKeepsItsKind(t *testing.T) {
	for status, kind := range map[int]errs.Kind{404: errs.KindNotFound, 403: errs.KindForbidden, 507: errs.KindExhausted, 500: errs.KindInternal} {
		_, err := serve(t, status, "application/problem+json", `{"code":"brand_new"}`).Task(t.Context(), "x")
		if errs.CodeOf(err) != "brand_new" || errs.KindOf(err) != kind {
			t.Errorf("%d: got %v of kind %s", status, err, errs.KindOf(err))
		}
	}
}

func TestWhatIsNotHaulIsSaidSo(t *testing.T) {
	for name, c := range map[string]*client.Client{
		"a web page":    serve(t, 200, "text/html", "<html>"),
		"other JSON":    serve(t, 200, "application/json", `{"id":7}`),
		"no JSON":       serve(t, 200, "application/json", `{`),
		"another error": serve(t, 502, "text/html", "Bad gateway"),
		"a redirect":    serve(t, 302, "text/html", ""),
	} {
		_, err := c.Task(t.Context(), "x")
		if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.MessageOf(err), "haul") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestAServerThatIsNotThere(t *testing.T) {
	url := fmt.Sprintf("http://127.0.0.1:%d", lab.ClosedPort(t))
	_, err := newClient(t, url).Me(t.Context())
	if !errs.Is(err, errs.Unavailable) || !strings.Contains(errs.HintOf(err), "haul serve") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient(t, url).Me(ctx); !errs.Is(err, errs.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	for _, url := range []string{"", "localhost:7420", "ftp://host", "http://"} {
		if _, err := client.New(client.Options{URL: url}); !errs.Is(err, errs.InvalidRequest) {
			t.Errorf("%q: got %v", url, err)
		}
	}
}
