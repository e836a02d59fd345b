package events_test

import (
	"testing"

	"github.com/rollcall-events/rollcall/events"
)

// TestTheWayOfAnEventAllocatesLittle holds what is done for every event to a budget. A step that goes through reflection for
// each field, or through the same JSON once more, is beyond it. The race detector, which empties pools at random, costs some.
func TestTheWayOfAnEventAllocatesLittle(t *testing.T) {
	deliveries := benchmarked()
	e := parseOne(t, deliveries["conversations"])
	raw, none, hundred := rawMessage(t), crowd(t, 0), crowd(t, 100)
	rich := encodedCrowd(t, 100)
	parse := func(name string) func() error {
		return func() error { events.Parse(deliveries[name]); return nil }
	}
	for _, tt := range []struct {
		name   string
		budget float64
		step   func() error
	}{
		{"Parse conversations", 42, parse("conversations")},
		{"Parse conversations-get", 42, parse("conversations-get")},
		{"Parse flex", 25, parse("flex")},
		{"Parse orchestrator", 70, parse("orchestrator")},
		{"Parse event-streams", 95, parse("event-streams")},
		{"EncodeRaw", 8, func() error { _, err := events.EncodeRaw(e); return err }},
		{"DecodeRaw", 28, func() error { _, err := events.DecodeRaw(raw); return err }},
		{"EncodeEnriched with nobody", 10, func() error { _, err := events.EncodeEnriched(none); return err }},
		{"EncodeEnriched with 100", 10 + 100*4, func() error { _, err := events.EncodeEnriched(hundred); return err }},
		{"DecodeEnriched with 100", 50 + 100*26, func() error { _, err := events.DecodeEnriched(rich); return err }},
		{"Subject", 2, func() error { _ = e.Subject(events.StageRaw); return nil }},
	} {
		var err error
		got := testing.AllocsPerRun(10, func() { err = tt.step() })
		t.Logf("%s: %.0f allocations", tt.name, got)
		if err != nil || got > tt.budget {
			t.Errorf("%s: got %.0f allocations and error %v, want %.0f at most and none", tt.name, got, err, tt.budget)
		}
	}
}
