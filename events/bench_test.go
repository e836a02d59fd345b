package events_test

import (
	"fmt"
	"testing"

	"github.com/rollcall-events/rollcall/events"
)

// benchmarked is one delivery of each feed.
func benchmarked() map[string]events.Delivery {
	want := map[string]string{
		"form/conversations.message.added": "conversations", "form/flex.participant.joined": "flex",
		"json/orchestrator.participant.added": "orchestrator", "stream/conversations.participant.added": "event-streams",
		"query/conversations.message.added": "conversations-get",
	}
	deliveries := map[string]events.Delivery{}
	for _, s := range samples() {
		if name, ok := want[s.name]; ok {
			deliveries[name] = s.delivery
		}
	}
	return deliveries
}

func BenchmarkParse(b *testing.B) {
	deliveries := benchmarked()
	for _, name := range sortedKeys(deliveries) {
		b.Run(name, func(b *testing.B) {
			d := deliveries[name]
			b.ReportAllocs()
			b.SetBytes(int64(len(d.Body) + len(d.Query)))
			for b.Loop() {
				if accepted, _ := events.Parse(d); len(accepted) != 1 {
					b.Fatalf("got %d events, want 1", len(accepted))
				}
			}
		})
	}
}

func BenchmarkEncodeRaw(b *testing.B) {
	e := parseOne(b, benchmarked()["conversations"])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.EncodeRaw(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeRaw(b *testing.B) {
	raw := rawMessage(b)
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, err := events.DecodeRaw(raw); err != nil {
			b.Fatal(err)
		}
	}
}

// crowd is an event with n participants.
func crowd(b *testing.B, n int) events.Enriched {
	b.Helper()
	e := enriched(parseOne(b, benchmarked()["conversations"]))
	one := e.Roster.Participants[0]
	e.Roster.Participants = nil
	for i := range n {
		one.ID = fmt.Sprintf("MB%032x", i)
		e.Roster.Participants = append(e.Roster.Participants, one)
	}
	return e
}

func BenchmarkEncodeEnriched(b *testing.B) {
	e := crowd(b, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events.EncodeEnriched(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeEnriched(b *testing.B) {
	encoded, err := events.EncodeEnriched(crowd(b, 100))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(encoded)))
	for b.Loop() {
		if _, err := events.DecodeEnriched(encoded); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSubject(b *testing.B) {
	e := parseOne(b, benchmarked()["conversations"])
	b.ReportAllocs()
	for b.Loop() {
		if e.Subject(events.StageRaw) == "" {
			b.Fatal("no subject")
		}
	}
}
