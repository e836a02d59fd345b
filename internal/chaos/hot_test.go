package chaos

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/participants"
)

// deaf is a task whose lane is not told when it may be its turn, and only asks.
type deaf struct{ enrich.Task }

func (deaf) Watch(func()) (stop func()) { return func() {} }

// BenchmarkHotConversations is b.N events of 10 conversations with three enrichers, an API that takes 5 ms, and one server:
//
//	shared/polled  all take from every partition, and a lane that must wait for another process asks from time to time
//	shared/woken   the same, and such a lane is told
//	owned          each takes its own partitions first
//
//	go test ./internal/chaos -run '^$' -bench Hot -benchtime 1000x
func BenchmarkHotConversations(b *testing.B) {
	for _, bb := range []struct {
		name   string
		shared bool
		seam   seam
	}{
		{"shared/polled", true, func(t enrich.Task) enrich.Task { return deaf{t} }},
		{"shared/woken", true, nil},
		{"owned", false, nil},
	} {
		b.Run(bb.name, func(b *testing.B) { hot(b, bb.shared, bb.seam) })
	}
}

func hot(b *testing.B, shared bool, between seam) {
	b.Helper()
	r := newRig(b, 1, broker.Topology{})
	if shared {
		if err := r.js.DeleteStream(b.Context(), "KV_ROLLCALL_MEMBERS"); err != nil {
			b.Fatal(err)
		}
	}
	r.twilio.Script(sandbox.Fault{Latency: 5 * time.Millisecond})
	var talks []talk
	for i := range 10 {
		t := talk{Talk: named(fmt.Sprint(i)), known: true}
		talks = append(talks, t)
		r.world.Change(func(s *sandbox.State) { s.AddConversation(t.Conversation()) })
	}
	for range 3 {
		r.startEnricher(b, newLink(b, r.cluster.address), between)
	}
	conn, err := broker.Connect(context.WithoutCancel(b.Context()), broker.Config{URL: "nats://" + r.cluster.address(), Name: "ingest", Log: logger()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close(context.WithoutCancel(b.Context())) })
	b.ResetTimer()
	for i := range b.N {
		if _, err := conn.PublishRaw(b.Context(), talks[i%len(talks)].event(i)); err != nil {
			b.Fatal(err)
		}
	}
	if !eventually(10*time.Minute, func() bool { return r.messages("ROLLCALL_ENRICHED") >= b.N }) {
		b.Fatal(r.state())
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(r.calls())/float64(b.N), "calls/event")
}

// event is what ingest makes of a webhook.
func (t talk) event(i int) events.Event {
	return events.Event{
		ID: fmt.Sprintf("%s-%d", t.SID, i), API: participants.Conversations, Resource: "message", Action: "added", Name: "onMessageAdded",
		Feed: events.FeedConversations, Account: owner, Refs: events.Refs{ConversationSID: t.SID, MessageSID: sandbox.SID("IM", fmt.Sprint(i))},
		ReceivedAt: time.Now().UTC(), Payload: []byte(`{"EventType":"onMessageAdded"}`),
	}
}
