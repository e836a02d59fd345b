package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/freeport"
)

// truthful is how soon readiness says what is so.
const truthful = 5 * time.Second

// wantReady waits until readiness is as asked, for as long as it may lag, and checks that liveness is green all the while.
func (p *enricherProcess) wantReady(status int, says string) {
	p.t.Helper()
	await(p.t, "operator's listener", func() bool { live, _ := p.get("/livez"); return live == http.StatusOK })
	began := time.Now()
	for {
		got, why := p.ready()
		if live, _ := p.get("/livez"); live != http.StatusOK {
			p.t.Errorf("got %d from /livez, want 200 whatever happens", live)
		}
		if got == status && strings.Contains(why, says) {
			p.t.Logf("%d after %s", status, time.Since(began).Round(time.Millisecond))
			return
		}
		if time.Since(began) > truthful {
			p.t.Fatalf("got %d and %q from /readyz after %s, want %d and %q", got, why, truthful, status, says)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// NATS is away at the start, comes, goes and comes back: liveness is green throughout, readiness tells.
func TestHealthFollowsNATS(t *testing.T) {
	w := &world{t: t, twilio: newTwilio(t), dir: t.TempDir()}
	w.setToken(token)
	address, dir := freeport.Address(t), t.TempDir()
	w.url = "nats://" + address
	p := w.start()
	p.wantReady(http.StatusServiceUnavailable, "nats: NATS is not connected")
	begin := func() *broker.Embedded {
		server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: dir, Listen: address, Name: "late"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(server.Shutdown)
		return server
	}
	first := begin()
	await(t, "streams, which the enricher declares", func() bool { status, _ := p.ready(); return status == http.StatusOK })
	first.Shutdown()
	p.wantReady(http.StatusServiceUnavailable, "nats: NATS is not connected")
	begin()
	p.wantReady(http.StatusOK, "nats: ok")
	if code := p.stop(); code != exitOK {
		t.Errorf("got exit code %d, want 0", code)
	}
}
