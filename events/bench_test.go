package events_test

import (
	"encoding/json"
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

// BenchmarkParseWithToken is Parse where Twilio says which event it is, so that no digest is made.
func BenchmarkParseWithToken(b *testing.B) {
	d := benchmarked()["conversations"]
	d.IdempotencyToken = "0123456789abcdef"
	b.ReportAllocs()
	for b.Loop() {
		if accepted, _ := events.Parse(d); len(accepted) != 1 {
			b.Fatalf("got %d events, want 1", len(accepted))
		}
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
func crowd(tb testing.TB, n int) events.Enriched {
	tb.Helper()
	e := enriched(parseOne(tb, benchmarked()["conversations"]))
	one := e.Roster.Participants[0]
	e.Roster.Participants = nil
	for i := range n {
		one.ID = fmt.Sprintf("MB%032x", i)
		e.Roster.Participants = append(e.Roster.Participants, one)
	}
	return e
}

// crowds are the numbers of participants that are tried: none, a chat, a page, and a full conversation.
var crowds = []int{0, 1, 100, 1000}

func BenchmarkEncodeEnriched(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprintf("participants=%d", n), func(b *testing.B) {
			e := crowd(b, n)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := events.EncodeEnriched(e); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDecodeEnriched(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprintf("participants=%d", n), func(b *testing.B) {
			encoded := encodedCrowd(b, n)
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				if _, err := events.DecodeEnriched(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReadEnriched is what the others are compared with: encoding/json reads the same bytes into any.
func BenchmarkReadEnriched(b *testing.B) {
	for _, n := range crowds {
		b.Run(fmt.Sprintf("participants=%d", n), func(b *testing.B) {
			encoded := encodedCrowd(b, n)
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				var v any
				if err := json.Unmarshal(encoded, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func encodedCrowd(tb testing.TB, n int) []byte {
	tb.Helper()
	encoded, err := events.EncodeEnriched(crowd(tb, n))
	if err != nil {
		tb.Fatal(err)
	}
	return encoded
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
