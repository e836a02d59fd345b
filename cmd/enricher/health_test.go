package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
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
	if code := p.stop(); code != process.OK {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// NATS may be there and be of no use to this user: a login that is refused, then a right that is missing, for what is stored or for what is pulled. No
// event comes meanwhile: readiness does not wait for one to tell.
func TestHealthTellsWhatNATSRefuses(t *testing.T) {
	address, deny := natsOf(t, "enricher")
	w := newWorldOn(t, "nats://admin:x@"+address)
	w.url = "nats://enricher:right@" + address

	p := w.start("--no-provision")
	p.wantReady(http.StatusServiceUnavailable, "nats: NATS is not connected")
	deny("wrong")
	p.wantReady(http.StatusServiceUnavailable, "uthorization")
	const pull = "$JS.API.CONSUMER.MSG.NEXT.ROLLCALL_QUEUE."
	for _, denied := range []struct{ subject, says string }{
		{pull + "*", pull}, {"rollcall.enriched.>", "rollcall.enriched."}, {pull + "enricher-3", pull}, {pull + "*", pull},
	} {
		deny("right", denied.subject)
		p.wantReady(http.StatusServiceUnavailable, "does not allow this client to publish to "+denied.says)
		deny("right")
		p.wantReady(http.StatusOK, "nats: ok")
		if enriched, _ := w.out.counts(); enriched > 0 {
			continue
		}
		began := time.Now() // of the first, which no pull was made before
		for c := range 30 {
			w.publish(t.Context(), message(c, 0))
		}
		w.out.await(t, 30, 0)
		if took := time.Since(began); took > truthful {
			t.Errorf("got the events out %s after the right was given back, want %s at most", took, truthful)
		}
	}
	if n := strings.Count(p.log.String(), "NATS denied an operation"); n > 4 {
		t.Errorf("got %d lines of denials, want one for each time that one began", n)
	}
}

// Twilio alone was wrong, and no credentials change: what waits is tried again from time to time.
func TestHealthTellsWhatTwilioRefuses(t *testing.T) {
	w := newWorld(t)
	w.twilio.setAnswer(func(rw http.ResponseWriter, _ *http.Request, _ int) bool {
		fail(rw, http.StatusUnauthorized, 20003)
		return true
	})
	p := w.start("--probe-every=1s")
	p.wantReady(http.StatusOK, "twilio: ok")
	w.publish(t.Context(), message(1, 0))
	p.wantReady(http.StatusServiceUnavailable, "API refuses its credentials")
	w.twilio.setAnswer(nil)
	p.wantReady(http.StatusOK, "twilio: ok")
	w.out.await(t, 1, 0)
}
