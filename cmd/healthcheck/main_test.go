package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExitCode(t *testing.T) {
	statuses := map[string]int{
		"/ok":        http.StatusOK,
		"/empty":     http.StatusNoContent,
		"/moved":     http.StatusFound,
		"/missing":   http.StatusNotFound,
		"/not-ready": http.StatusServiceUnavailable,
	}
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/ok")
		w.WriteHeader(statuses[r.URL.Path])
	})
	tests := []struct {
		name string
		args []string
		want int
		says string
	}{
		{"200", []string{server.URL + "/ok"}, 0, ""},
		{"204", []string{server.URL + "/empty"}, 0, ""},
		{"redirect to a 200", []string{server.URL + "/moved"}, 1, "302 Found"},
		{"404", []string{server.URL + "/missing"}, 1, "404 Not Found"},
		{"503", []string{server.URL + "/not-ready"}, 1, "503 Service Unavailable"},
		{"nobody listens", []string{"http://127.0.0.1:1"}, 1, "refused"},
		{"not a URL", []string{"http://[::1"}, 1, "read the URL"},
		{"no URL", nil, 1, "usage: healthcheck URL"},
		{"help", []string{"--help"}, 0, ""},
		{"help, short", []string{"-h"}, 0, ""},
		{"a flag", []string{"--url"}, 1, "usage: healthcheck URL"},
		{"two URLs", []string{"a", "b"}, 1, "usage: healthcheck URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			got := exitCode(run(t.Context(), tt.args, io.Discard), &stderr)
			if got != tt.want {
				t.Errorf("exit code: got %d, want %d (%s)", got, tt.want, stderr.String())
			}
			if !strings.Contains(stderr.String(), tt.says) || strings.Count(stderr.String(), "\n") != tt.want {
				t.Errorf("stderr: got %q, want %d line(s) with %q", stderr.String(), tt.want, tt.says)
			}
		})
	}
}

func TestRunGivesUpOnAServerThatHangs(t *testing.T) {
	server := newServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := run(ctx, []string{server.URL}, io.Discard); err == nil {
		t.Error("got no error, want one: the server never answered")
	}
}

// newServer serves h, and closes its connections and our idle ones when the test ends.
func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		http.DefaultTransport.(*http.Transport).CloseIdleConnections()
		server.Close()
	})
	return server
}
