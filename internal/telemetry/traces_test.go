package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// passOn takes a trace context in, starts a span of ours, and returns what goes out.
func passOn(t *testing.T) (traceparent string) {
	t.Helper()
	carrier := propagation.MapCarrier{"traceparent": parent}
	ctx := otel.GetTextMapPropagator().Extract(t.Context(), carrier)
	ctx, span := otel.Tracer("test").Start(ctx, "a span of ours")
	defer span.End()
	out := propagation.MapCarrier{}
	otel.GetTextMapPropagator().Inject(ctx, out)
	return out["traceparent"]
}

func TestTracesWithoutAnEndpoint(t *testing.T) {
	stop, err := SetupTraces(t.Context(), TracesConfig{Service: "test"}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if got := passOn(t); got != parent {
		t.Errorf("got %s, want the context passed on as it came, %s", got, parent)
	}
	stop(t.Context())
}

type export struct{ path, body string }

func collector(t *testing.T) (url string, exports <-chan export) {
	t.Helper()
	received := make(chan export, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		received <- export{r.URL.Path, string(body)}
	}))
	t.Cleanup(server.Close)
	return server.URL, received
}

func TestTracesAreExported(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  func(url string) TracesConfig
		path string
	}{
		"endpoint for all":      {func(url string) TracesConfig { return TracesConfig{Endpoint: url} }, "/v1/traces"},
		"endpoint below a path": {func(url string) TracesConfig { return TracesConfig{Endpoint: url + "/otlp/"} }, "/otlp/v1/traces"},
		"endpoint for traces":   {func(url string) TracesConfig { return TracesConfig{TracesEndpoint: url + "/here"} }, "/here"},
		"the one for traces wins": {func(url string) TracesConfig {
			return TracesConfig{Endpoint: "http://192.0.2.1", TracesEndpoint: url + "/here"}
		}, "/here"},
	} {
		t.Run(name, func(t *testing.T) {
			url, exports := collector(t)
			cfg := c.cfg(url)
			cfg.Service = "rollcall-test"
			stop, err := SetupTraces(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			traceparent := passOn(t)
			stop(t.Context())
			if traceparent[:35] != parent[:35] || traceparent == parent {
				t.Errorf("got %s, want a span of ours in the trace of %s", traceparent, parent)
			}
			got := <-exports // stop returns after the export
			if got.path != c.path {
				t.Errorf("got it at %s, want %s", got.path, c.path)
			}
			for _, want := range []string{"service.name", "rollcall-test", "a span of ours"} {
				if !strings.Contains(got.body, want) {
					t.Errorf("the export has no %q", want)
				}
			}
		})
	}
}

func TestStopIsBounded(t *testing.T) {
	release := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel() // the flush is under way, and will not end by itself
		<-release
	}))
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(release) })
	var log sharedLog // of a batch that is still being given up
	stop, err := SetupTraces(t.Context(), TracesConfig{Service: "test", Endpoint: server.URL}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	passOn(t)
	stop(ctx)
	if !strings.Contains(log.String(), "the last traces were lost") {
		t.Errorf("got log %q, want it told that spans were lost", log.String())
	}
}

// sharedLog takes log lines while they are read.
type sharedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *sharedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *sharedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestBadEndpoints(t *testing.T) {
	for _, value := range []string{"collector:4318", "//collector", "grpc://collector", "http://", "http://:4318", "http://hunter2:x", "http://%zz"} {
		for field, cfg := range map[string]TracesConfig{"Endpoint": {Endpoint: value}, "TracesEndpoint": {TracesEndpoint: value}} {
			if ps := cfg.Problems(); len(ps) != 1 || ps[0].Field != field || strings.Contains(fmt.Sprint(ps), "hunter2") {
				t.Errorf("%s %s: got %v, want one problem that names the field and not the value", field, value, ps)
			}
			stop, err := SetupTraces(t.Context(), cfg, slog.New(slog.DiscardHandler))
			if stop != nil || err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s %s: got %v, want an error that names the field and not the value", field, value, err)
			}
		}
	}
}

func TestTraceErrorsAreLogged(t *testing.T) {
	var log sharedLog // errors of a provider that an earlier test gave up may come here too
	if _, err := SetupTraces(t.Context(), TracesConfig{Service: "test"}, slog.New(slog.NewTextHandler(&log, nil))); err != nil {
		t.Fatal(err)
	}
	otel.Handle(errors.New("collector is away"))
	if !strings.Contains(log.String(), `msg="traces could not be exported" error="collector is away"`) {
		t.Errorf("got %q, want the error logged, and what it is about", log.String())
	}
}

func TestSpansAreNotRecordedWithoutAnEndpoint(t *testing.T) {
	if _, err := SetupTraces(t.Context(), TracesConfig{Service: "test"}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "x", trace.WithNewRoot())
	if span.IsRecording() {
		t.Error("got a span that records, want none: nobody reads it")
	}
}
