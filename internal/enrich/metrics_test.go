package enrich

import (
	"fmt"
	"log/slog"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// An alert on increase() does not see the first dead letter of a series that begins with it. That no other series come up
// later is checked at the end of each test that starts a bench.
func TestEverySeriesBeginsAtZero(t *testing.T) {
	b := &bench{t: t, reg: prometheus.NewRegistry()}
	if _, err := New(Config{}, nil, nil, slog.New(slog.DiscardHandler), b.reg); err != nil {
		t.Fatal(err)
	}
	if _, err := CountUnexpected(b.reg); err != nil {
		t.Fatal(err)
	}
	for name, value := range b.series() {
		if value != 0 {
			t.Errorf("got %v for %s, want 0", value, name)
		}
	}
	for _, api := range []events.API{participants.Conversations, participants.Flex, participants.Orchestrator} {
		for _, reason := range events.Reasons() {
			b.wantMetric(fmt.Sprintf(`rollcall_enrich_events_total{api="%s",outcome="%s"} 0`, api, reason))
		}
	}
	for _, field := range []string{"type", "participant_field", "address_field"} {
		b.wantMetric(fmt.Sprintf(`rollcall_twilio_unexpected_total{api="conversations",field="%s"} 0`, field))
	}
	for _, place := range []string{"call", "turn"} {
		b.wantMetric(fmt.Sprintf(`rollcall_enrich_panics_total{where="%s"} 0`, place))
	}
}
