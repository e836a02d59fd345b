package ingest

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

func TestRunLetsWebhooksFinish(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	r := start(t, Config{}, nil, func(r *rig) {
		r.shelf.put = func(context.Context, events.Event) error {
			close(began)
			<-release
			return nil
		}
	})
	answered := make(chan int, 1)
	go func() {
		answered <- r.send(t, messageAdded()).status
	}()
	<-began
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	waitRefused(t, r.addr)
	select {
	case err := <-stopped:
		t.Fatalf("got Run back with %v while a webhook was under way", err)
	default:
	}
	close(release)
	if err := <-stopped; err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if status := <-answered; status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
}

func TestRunDoesNotWaitForEver(t *testing.T) {
	began, release := make(chan struct{}), make(chan struct{})
	r := start(t, Config{StopTimeout: 50 * time.Millisecond}, nil, func(r *rig) {
		r.shelf.put = func(context.Context, events.Event) error {
			close(began)
			<-release
			return nil
		}
	})
	w := messageAdded().sign(token)
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte(w.head("POST /webhooks/conversations HTTP/1.1") + w.length() + w.body))
	<-began
	if err := r.stop(); err == nil || !strings.Contains(err.Error(), "finish the webhooks under way") {
		t.Errorf("got %v, want it said that a webhook was cut off", err)
	}
	close(release)
}

func TestRunReportsAListenerThatFails(t *testing.T) {
	r := start(t, Config{}, nil, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := r.Run(t.Context(), l); err == nil {
		t.Error("got nil from a closed listener")
	}
}

func TestConnectionsAreLimited(t *testing.T) {
	r := start(t, Config{MaxConnections: 1}, nil, nil)
	first, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		answered <- r.send(t, messageAdded()).status
	}()
	select {
	case status := <-answered:
		t.Fatalf("got %d on a second connection, want it to wait", status)
	case <-time.After(100 * time.Millisecond):
	}
	first.Close()
	if status := <-answered; status != http.StatusOK {
		t.Errorf("got %d, want 200", status)
	}
}

// waitRefused waits until nothing listens on addr.
func waitRefused(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			return
		}
		conn.Close()
	}
	t.Fatal("still listening after 5 s")
}
