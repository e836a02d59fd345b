package telemetry

import (
	"bytes"
	"context"
	"errors"
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

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

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
	stop, err := SetupTraces(t.Context(), "test", slog.New(slog.DiscardHandler), env())
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
		env           func(url string) func(string) string
		path, service string
	}{
		"endpoint for all":      {func(url string) func(string) string { return env(endpointName, url) }, "/v1/traces", "rollcall-test"},
		"endpoint below a path": {func(url string) func(string) string { return env(endpointName, url+"/otlp/") }, "/otlp/v1/traces", "rollcall-test"},
		"endpoint for traces":   {func(url string) func(string) string { return env(tracesEndpointName, url+"/here") }, "/here", "rollcall-test"},
		"the one for traces wins": {func(url string) func(string) string {
			return env(endpointName, "http://192.0.2.1", tracesEndpointName, url+"/here")
		}, "/here", "rollcall-test"},
		"another service name": {func(url string) func(string) string { return env(endpointName, url, serviceName, "renamed") }, "/v1/traces", "renamed"},
	} {
		t.Run(name, func(t *testing.T) {
			url, exports := collector(t)
			stop, err := SetupTraces(t.Context(), "rollcall-test", slog.New(slog.DiscardHandler), c.env(url))
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
			for _, want := range []string{"service.name", c.service, "a span of ours"} {
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
	stop, err := SetupTraces(t.Context(), "test", slog.New(slog.NewTextHandler(&log, nil)), env(endpointName, server.URL))
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
	for _, name := range []string{endpointName, tracesEndpointName} {
		for _, value := range []string{"collector:4318", "//collector", "grpc://collector", "http://", "http://hunter2:x", "http://%zz"} {
			stop, err := SetupTraces(t.Context(), "test", slog.New(slog.DiscardHandler), env(name, value))
			if stop != nil || err == nil || !strings.HasPrefix(err.Error(), name+": ") || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s=%s: got %v, want an error that names the setting and not the value", name, value, err)
			}
		}
	}
}

func TestTraceErrorsAreLogged(t *testing.T) {
	var log sharedLog // errors of a provider that an earlier test gave up may come here too
	if _, err := SetupTraces(t.Context(), "test", slog.New(slog.NewTextHandler(&log, nil)), env()); err != nil {
		t.Fatal(err)
	}
	otel.Handle(errors.New("collector is away"))
	if !strings.Contains(log.String(), `error="collector is away"`) {
		t.Errorf("got %q, want the error logged", log.String())
	}
}

func TestSpansAreNotRecordedWithoutAnEndpoint(t *testing.T) {
	if _, err := SetupTraces(t.Context(), "test", slog.New(slog.DiscardHandler), env()); err != nil {
		t.Fatal(err)
	}
	_, span := otel.Tracer("test").Start(t.Context(), "x", trace.WithNewRoot())
	if span.IsRecording() {
		t.Error("got a span that records, want none: nobody reads it")
	}
}
