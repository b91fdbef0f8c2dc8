package rest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/haul-dl/haul/api/rest"
)

const benchBody = `{"sources":["https://example.org/files/some-file.iso"],"destination":"films"}`

func benchHandler(b *testing.B) http.Handler {
	b.Helper()
	handler, err := rest.New(rest.Options{
		Tasks: &fakeTasks{}, Users: &fakeUsers{}, Downloaders: &fakeDownloaders{}, Ready: &fakeReady{},
		Metrics: http.NotFoundHandler(), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		b.Fatal(err)
	}
	return handler
}

// BenchmarkCreateTask is what the API alone costs for one POST of a task.
func BenchmarkCreateTask(b *testing.B) {
	handler := benchHandler(b)
	b.ReportAllocs()
	for b.Loop() {
		req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/api/v1/tasks", strings.NewReader(benchBody))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+userToken)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, req)
		if rec.Code != http.StatusCreated {
			b.Fatal(rec.Body.String())
		}
	}
}

// BenchmarkCreateTaskOverHTTP is the same with 16 clients on this machine.
func BenchmarkCreateTaskOverHTTP(b *testing.B) {
	server := httptest.NewServer(benchHandler(b))
	defer server.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	b.SetParallelism(max(1, 16/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL+"/api/v1/tasks", strings.NewReader(benchBody))
			if err != nil {
				b.Error(err)
				return
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Authorization", "Bearer "+userToken)
			resp, err := client.Do(req)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}
