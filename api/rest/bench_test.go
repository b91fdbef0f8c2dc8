package rest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/api/rest"
)

// BenchmarkCreateTask is what the API alone costs for one POST of a task.
func BenchmarkCreateTask(b *testing.B) {
	handler, err := rest.New(rest.Options{
		Tasks: &fakeTasks{}, Users: &fakeUsers{}, Downloaders: &fakeDownloaders{}, Ready: &fakeReady{},
		Metrics: http.NotFoundHandler(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		b.Fatal(err)
	}
	const body = `{"sources":["https://example.org/files/some-file.iso"],"destination":"films"}`
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequest(http.MethodPost, "/api/v1/tasks", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+userToken)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusCreated {
			b.Fatal(rec.Body.String())
		}
	}
}
