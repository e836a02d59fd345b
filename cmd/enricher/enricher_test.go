package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/freeport"
)

func TestARawEventComesOutEnriched(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	await(t, "readiness", func() bool { status, _ := p.ready(); return status == http.StatusOK })
	otel.SetTextMapPropagator(propagation.TraceContext{}) // as the ingest does
	sc := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	w.publish(trace.ContextWithSpanContext(t.Context(), sc), message(1, 0))
	w.out.await(t, 1, 0)
	roster := w.out.enriched[0].Roster
	if roster.Status != events.RosterResolved || len(roster.Participants) != 1 || roster.Participants[0].Identity != "alice" {
		t.Errorf("got roster %+v, want alice", roster)
	}
	if got := w.out.headers[0].Get("traceparent"); !strings.Contains(got, sc.TraceID().String()) {
		t.Errorf("got traceparent %q, want the webhook's trace %s", got, sc.TraceID())
	}
	if code := p.stop(); code != process.OK {
		t.Errorf("got exit code %d after being stopped, want 0", code)
	}
}

func TestARestartWithWorkQueuedLosesNothing(t *testing.T) {
	w := newWorld(t)
	var good atomic.Int64 // calls that are still answered well
	w.twilio.setAnswer(func(rw http.ResponseWriter, r *http.Request, _ int) bool {
		select {
		case <-time.After(20 * time.Millisecond):
		case <-r.Context().Done():
		}
		if good.Add(-1) >= 0 {
			return false
		}
		fail(rw, http.StatusServiceUnavailable, 20503)
		return true
	})
	const conversations, each = 20, 10
	for n := range each {
		for c := range conversations {
			w.publish(t.Context(), message(c, n))
		}
	}
	for range 3 {
		before, _ := w.out.counts()
		good.Store(1) // so that there is work left for the next
		p := w.start("--concurrency=2")
		await(t, "more events", func() bool { n, _ := w.out.counts(); return n > before })
		if code := p.stop(); code != process.OK {
			t.Errorf("got exit code %d, want 0", code)
		}
	}
	if n, _ := w.out.counts(); n == conversations*each {
		t.Error("got all events before the last start: the test shows nothing")
	}
	good.Store(math.MaxInt64)
	w.start()
	w.out.await(t, conversations*each, 0)
	w.out.wantInOrder(t, conversations, each)
}

func TestACredentialsFileThatIsWrongIsTold(t *testing.T) {
	w := newWorld(t)
	p := w.start()
	await(t, "readiness", func() bool { status, _ := p.ready(); return status == http.StatusOK })
	w.setToken("")
	await(t, "metric", func() bool {
		_, metrics := p.get("/metrics")
		return strings.Contains(metrics, "\nrollcall_credentials_stale 1\n")
	})
}

func TestRefusedCredentialsBurnNothing(t *testing.T) {
	w := newWorld(t)
	w.setToken("a-wrong-token")
	p := w.start()
	for c := range 30 {
		w.publish(t.Context(), message(c, 0))
	}
	await(t, "red readiness that names the account", func() bool {
		status, body := p.ready()
		return status == http.StatusServiceUnavailable && strings.Contains(body, string(account))
	})
	if enriched, dead := w.out.counts(); enriched != 0 || dead != 0 {
		t.Errorf("got %d enriched and %d dead, want all to wait", enriched, dead)
	}
	w.setToken(token)
	w.out.await(t, 30, 0)
	w.out.wantInOrder(t, 30, 1)
	await(t, "readiness", func() bool { status, _ := p.ready(); return status == http.StatusOK })
	if log := p.log.String(); strings.Contains(log, token) || strings.Contains(log, "a-wrong-token") {
		t.Error("got a token in the log")
	}
}

func TestWhatTwilioDoesNotKnowIsDead(t *testing.T) {
	w := newWorld(t)
	w.twilio.setAnswer(func(rw http.ResponseWriter, r *http.Request, _ int) bool {
		missing := strings.Contains(r.URL.Path, "CH"+strings.Repeat("0", 31)+"1")
		if missing {
			fail(rw, http.StatusNotFound, 20404)
		}
		return missing
	})
	w.start()
	w.publish(t.Context(), message(1, 0))
	w.publish(t.Context(), message(2, 0))
	w.out.await(t, 1, 1)
	if d := w.out.dead[0]; d.Reason != events.ReasonNotFound || d.Event == nil || d.Event.ID != "1-0" || !strings.Contains(d.Detail, "code 20404") {
		t.Errorf("got letter %+v, want not_found for 1-0", d)
	}
}

func TestOrderIsKeptWhileTwilioIsUnwell(t *testing.T) {
	w := newWorld(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w.twilio.setAnswer(func(rw http.ResponseWriter, r *http.Request, n int) bool {
		conversation := fnv.New64a()
		_, _ = io.WriteString(conversation, r.URL.Path)
		chance := rand.New(rand.NewPCG(seed, conversation.Sum64()+uint64(n))) // whatever is asked in between
		select {
		case <-time.After(time.Duration(chance.Int64N(int64(20 * time.Millisecond)))):
		case <-r.Context().Done():
		}
		if chance.IntN(10) > 2 {
			return false
		}
		fail(rw, http.StatusServiceUnavailable, 20500)
		return true
	})
	p := w.start()
	await(t, "readiness", func() bool { status, _ := p.ready(); return status == http.StatusOK })
	const conversations, each = 10, 20
	for n := range each {
		for c := range conversations {
			w.publish(t.Context(), message(c, n))
		}
	}
	w.out.await(t, conversations*each, 0)
	w.out.wantInOrder(t, conversations, each)
	t.Logf("%d calls for %d events", w.twilio.total(), conversations*each)
}

func TestAHangingConversationDelaysNoOther(t *testing.T) {
	w := newWorld(t)
	stuck := fmt.Sprint(message(0, 0).Refs.ConversationSID)
	w.twilio.setAnswer(func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		if !strings.Contains(r.URL.Path, stuck) {
			return false
		}
		<-r.Context().Done()
		return true
	})
	w.start("--stop-timeout=100ms")
	for n := range 10 {
		for c := range 10 {
			w.publish(t.Context(), message(c, n))
		}
	}
	w.out.await(t, 90, 0)
}

func TestABurstCostsFewCalls(t *testing.T) {
	w := newWorld(t)
	for n := range 50 {
		w.publish(t.Context(), message(1, n))
	}
	w.twilio.setAnswer(func(_ http.ResponseWriter, r *http.Request, _ int) bool {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-r.Context().Done():
		}
		return false
	})
	w.start()
	w.out.await(t, 50, 0)
	if got := w.twilio.total(); got > 3 {
		t.Errorf("got %d calls for a burst of 50 in one conversation, want at most 3", got)
	}
}

func TestWhatTwilioDoesNotDocumentIsCounted(t *testing.T) {
	w := newWorld(t)
	w.twilio.setAnswer(func(out http.ResponseWriter, _ *http.Request, _ int) bool {
		out.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(out, `{"meta":{"key":"participants","next_page_url":null},"participants":[
			{"sid":"MB00000000000000000000000000000001","conversation_sid":"CH%032x","account_sid":%q,"mood":"good"}]}`, 1, account)
		return true
	})
	p := w.start()
	w.publish(t.Context(), message(1, 1))
	w.out.await(t, 1, 0)
	want := `rollcall_twilio_unexpected_total{api="conversations",field="participant_field"} 1`
	if _, figures := p.get("/metrics"); !strings.Contains(figures, want) {
		t.Errorf("got no %s among the metrics", want)
	}
}

func TestItWaitsForNATS(t *testing.T) {
	w := &world{t: t, twilio: newTwilio(t), dir: t.TempDir()}
	w.setToken(token)
	address := freeport.Address(t)
	w.url = "nats://" + address
	p := w.start()
	await(t, "red readiness", func() bool { status, _ := p.ready(); return status == http.StatusServiceUnavailable })
	server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: t.TempDir(), Listen: address, Name: "late"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	await(t, "readiness once NATS is there", func() bool { status, _ := p.ready(); return status == http.StatusOK })
	p.stop()
}

func TestAnOutageOfNATSLosesNothing(t *testing.T) {
	dir, address := t.TempDir(), freeport.Address(t)
	serve := func() *broker.Embedded {
		server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: dir, Listen: address, Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		return server
	}
	server := serve()
	w := newWorldOn(t, server.ClientURL())
	p := w.start()
	for n := range 10 {
		for c := range 10 {
			w.publish(t.Context(), message(c, n))
		}
		if n == 5 {
			await(t, "first event", func() bool { n, _ := w.out.counts(); return n > 0 })
			server.Shutdown()
			await(t, "red readiness", func() bool { status, _ := p.ready(); return status == http.StatusServiceUnavailable })
			server = serve()
			await(t, "readiness once NATS is back", func() bool { status, _ := p.ready(); return status == http.StatusOK })
			await(t, "an ingest that is back", func() bool { return w.ingest.Ready(t.Context()) == nil })
		}
	}
	t.Cleanup(server.Shutdown)
	w.awaitStored(100)
}

func TestWithoutProvisioningItWaitsForTheStreams(t *testing.T) {
	server, err := broker.StartEmbedded(t.Context(), broker.EmbeddedConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", Name: "bare"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	w := &world{t: t, url: server.ClientURL(), twilio: newTwilio(t), dir: t.TempDir()}
	w.setToken(token)
	p := w.start("--no-provision")
	await(t, "readiness that asks for the streams", func() bool {
		status, body := p.ready()
		return status == http.StatusServiceUnavailable && strings.Contains(body, "provision")
	})
	if out, code := w.command("provision", "--nats-url", w.url); code != process.OK {
		t.Fatalf("provision: got exit code %d and %q", code, out)
	}
	await(t, "readiness", func() bool { status, _ := p.ready(); return status == http.StatusOK })
}

func TestStreamsOfAnotherShapeAreAnErrorAtOnce(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{{"provision"}, {"run", "--credentials-file", w.dir + "/credentials.json", "--ops-listen", freeport.Address(t)}} {
		out, code := w.command(append(args, "--nats-url", w.url, "--partitions=4")...)
		if code != process.Failed || !strings.Contains(out, `partitions is "8", asked for "4"`) {
			t.Errorf("%s: got exit code %d and %q, want 1 and what differs", args[0], code, out)
		}
	}
}

func TestProvisionSaysWhyNoAnswerCame(t *testing.T) {
	w := &world{t: t}
	out, code := w.command("provision", "--nats-url", "nats://"+freeport.Address(t), "--provision-wait", "200ms")
	if code != process.Failed || !strings.Contains(out, "the last attempt: NATS is not connected") {
		t.Errorf("got exit code %d and %q, want a failure that says that NATS is not connected", code, out)
	}
}
