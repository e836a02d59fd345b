package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func get(t *testing.T, o *Ops, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	return w.Code, w.Body.String()
}

func wantAnswer(t *testing.T, o *Ops, path string, status int, body string) {
	t.Helper()
	if gotStatus, gotBody := get(t, o, path); gotStatus != status || gotBody != body {
		t.Errorf("%s: got %d %q, want %d %q", path, gotStatus, gotBody, status, body)
	}
}

func TestReadiness(t *testing.T) {
	var nats atomic.Pointer[error]
	var log bytes.Buffer
	o := NewOps(slog.New(slog.NewTextHandler(&log, nil)), NewRegistry(),
		Check{"nats", func(context.Context) error {
			if err := nats.Load(); err != nil {
				return *err
			}
			return nil
		}},
		Check{"outbox", func(context.Context) error { return nil }})
	wantAnswer(t, o, "/livez", 200, "ok\n")
	wantAnswer(t, o, "/readyz", 200, "nats: ok\noutbox: ok\n")

	away := errors.Join(errors.New("not connected"), errors.New("trying again"))
	nats.Store(&away)
	for range 3 {
		wantAnswer(t, o, "/readyz", 503, "nats: not connected; trying again\noutbox: ok\n")
	}
	wantAnswer(t, o, "/livez", 200, "ok\n")
	nats.Store(nil)
	wantAnswer(t, o, "/readyz", 200, "nats: ok\noutbox: ok\n")

	o.Stopping()
	nats.Store(&away)
	wantAnswer(t, o, "/readyz", 503, "process: the process is stopping\n")
	wantAnswer(t, o, "/livez", 200, "ok\n")

	want := []string{`level=WARN msg="not ready" reasons="nats: not connected; trying again"`, `level=INFO msg=ready`}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want one for each change: %s", len(lines), &log)
	}
	for i := range want {
		if !strings.HasSuffix(lines[i], want[i]) {
			t.Errorf("line %d: got %s, want …%s", i, lines[i], want[i])
		}
	}
}

func TestReadinessIsLoggedThoughNobodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var away atomic.Bool
		away.Store(true)
		o := NewOps(slog.New(slog.NewTextHandler(&log, nil)), NewRegistry(), Check{"nats", func(context.Context) error {
			if away.Load() {
				return errors.New("not connected")
			}
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { o.ready.watch(ctx); close(done) }()
		<-time.After(3*watchEvery + time.Second)
		away.Store(false)
		<-time.After(2 * watchEvery)
		cancel()
		<-done
		for _, want := range []string{`msg="not ready" reasons="nats: not connected"`, "msg=ready"} {
			if n := strings.Count(log.String(), want); n != 1 {
				t.Errorf("got %d times %s in %s, want it once", n, want, &log)
			}
		}
	})
}

// What a process takes down when it stops is not out of order, also where the check was asked before.
func TestNothingIsFoundOutOfOrderOnceItStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		draining := make(chan error, 1)
		o := NewOps(slog.New(slog.NewTextHandler(&log, nil)), NewRegistry(), Check{"nats", func(context.Context) error { return <-draining }})
		answer := make(chan string)
		go func() { _, body := get(t, o, "/readyz"); answer <- body }()
		synctest.Wait()
		o.Stopping()
		draining <- errors.New("not connected")
		if got, want := <-answer, "process: the process is stopping\n"; got != want || log.Len() > 0 {
			t.Errorf("got the answer %q and the log %q, want %q and nothing", got, &log, want)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*watchEvery)
		defer cancel()
		draining <- errors.New("not connected")
		if o.ready.watch(ctx); log.Len() > 0 || len(draining) == 0 {
			t.Errorf("got the log %q and the check asked %t, want neither", &log, len(draining) == 0)
		}
	})
}

func TestReadinessWithoutChecks(t *testing.T) {
	wantAnswer(t, NewOps(slog.New(slog.DiscardHandler), NewRegistry()), "/readyz", 200, "")
}

// Three checks that hang take two seconds, not six, even if one does not look at its context.
func TestChecksAreBoundedAndRunAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
		deaf := func(context.Context) error { <-release; return nil }
		o := NewOps(slog.New(slog.DiscardHandler), NewRegistry(), Check{"a", hang}, Check{"deaf", deaf}, Check{"b", hang},
			Check{"fine", func(context.Context) error { return nil }})
		start := time.Now()
		status, body := get(t, o, "/readyz")
		if took := time.Since(start); took != checkTimeout {
			t.Errorf("got an answer after %s, want %s", took, checkTimeout)
		}
		if status != 503 || !strings.Contains(body, "deaf: no answer within 2s\n") || !strings.HasSuffix(body, "fine: ok\n") {
			t.Errorf("got %d %q, want 503, the deaf one without an answer and the other fine", status, body)
		}
		close(release)
	})
}

func TestNobodyWaitsForTheAnswer(t *testing.T) {
	var log bytes.Buffer
	o := NewOps(slog.New(slog.NewTextHandler(&log, nil)), NewRegistry(), Check{"a", func(ctx context.Context) error { return ctx.Err() }})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	o.handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/readyz", http.NoBody))
	if log.Len() > 0 {
		t.Errorf("got %s, want no line about a probe that went away", &log)
	}
}

func TestMetrics(t *testing.T) {
	reg := NewRegistry()
	reg.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "rollcall_test_total", Help: "Of this test."}, func() float64 { return 7 }))
	status, body := get(t, NewOps(slog.New(slog.DiscardHandler), reg), "/metrics")
	if status != 200 {
		t.Fatalf("got %d, want 200", status)
	}
	for _, want := range []string{"rollcall_test_total 7\n", "go_goroutines ", "process_cpu_seconds_total ", "go_build_info{"} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics has no %s", want)
		}
	}
}

func TestOtherRequests(t *testing.T) {
	o := NewOps(slog.New(slog.DiscardHandler), NewRegistry())
	if status, _ := get(t, o, "/debug/pprof/"); status != 404 {
		t.Errorf("got %d, want 404", status)
	}
	w := httptest.NewRecorder()
	o.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/readyz", http.NoBody))
	if w.Code != 405 {
		t.Errorf("POST /readyz: got %d, want 405", w.Code)
	}
}

// running starts o on a listener and returns its address, how to stop it, and what Run then returned.
func running(t *testing.T, o *Ops) (url string, stop func(), stopped <-chan error) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx, l) }()
	return "http://" + l.Addr().String(), stop, done
}

func TestRunServesAndStops(t *testing.T) {
	o := NewOps(slog.New(slog.DiscardHandler), NewRegistry())
	url, stop, stopped := running(t, o)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url + "/livez")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("got %d, want 200", resp.StatusCode)
	}
	stop()
	if err := <-stopped; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
	if resp, err := client.Get(url + "/livez"); err == nil {
		resp.Body.Close()
		t.Error("got an answer after Run returned, want none")
	}
}

// A probe that is under way when the process stops still gets its answer, and it says so.
func TestRunFinishesWhatIsUnderWay(t *testing.T) {
	asked, release := make(chan struct{}), make(chan struct{})
	o := NewOps(slog.New(slog.DiscardHandler), NewRegistry(), Check{"slow", func(context.Context) error {
		close(asked)
		<-release
		return nil
	}})
	url, stop, stopped := running(t, o)
	answer := make(chan string, 1)
	go func() {
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		resp, err := client.Get(url + "/readyz")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answer <- resp.Status + " " + string(body)
	}()
	<-asked
	stop()
	for !o.ready.stopping.Load() { // Run has begun to stop
		<-time.After(time.Millisecond)
	}
	close(release)
	if got, want := <-answer, "503 Service Unavailable process: the process is stopping\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := <-stopped; err != nil {
		t.Errorf("Run: got %v, want nil", err)
	}
}

func TestRunOnAListenerThatFails(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := NewOps(slog.New(slog.DiscardHandler), NewRegistry()).Run(t.Context(), l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
}
