package main

import (
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
)

// Every webhook has its answer when the connection to NATS is closed: that NATS says nothing any more makes the stop no failure.
func TestACleanStopWhileNATSStallsIsOne(t *testing.T) {
	embedded := server(t, "127.0.0.1:0", t.TempDir())
	url, stall := stalling(t, embedded.ClientURL())
	c := serving(t, environment("NATS_URL", url))
	wait(t, "readiness", func() bool { status, _ := c.ready(t); return status == http.StatusOK })
	if status := c.post(t, token, body); status != http.StatusOK {
		t.Errorf("got %d for a signed webhook, want 200", status)
	}
	stall()
	if code := c.stop(t); code != process.OK {
		t.Errorf("got exit code %d, want %d\n%s", code, process.OK, c.stderr.String())
	}
	log := c.stderr.String()
	if cut, stopped := strings.Index(log, `"the connection to NATS was cut"`), strings.Index(log, `"stopped"`); cut < 0 || stopped < cut {
		t.Errorf("got log\n%s\nwant it told that the connection was cut and, as the last thing, that ingest has stopped", log)
	}
}

// stalling passes bytes on to NATS at url until stall is called. From then on nothing arrives, though the connection stays.
func stalling(t *testing.T, url string) (through string, stall func()) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var flows sync.WaitGroup
	stalled, ended := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() {
		l.Close()
		close(ended)
		flows.Wait()
	})
	flows.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			nats, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "nats://"))
			if err != nil {
				client.Close()
				return
			}
			flows.Go(func() { <-ended; client.Close(); nats.Close() })
			flows.Go(func() { flow(nats, client, stalled) })
			flows.Go(func() { flow(client, nats, stalled) })
		}
	})
	return "nats://" + l.Addr().String(), sync.OnceFunc(func() { close(stalled) })
}

// flow copies from one side to the other, and drops what comes once stalled is closed.
func flow(to, from net.Conn, stalled <-chan struct{}) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		select {
		case <-stalled:
		default:
			if n > 0 {
				_, _ = to.Write(buf[:n])
			}
		}
		if err != nil {
			if err == io.EOF { //nolint:errorlint // as net returns it
				to.Close()
			}
			return
		}
	}
}
