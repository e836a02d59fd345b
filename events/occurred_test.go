package events_test

import (
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

func wantTime(t *testing.T, got time.Time, want string) {
	t.Helper()
	switch at, err := time.Parse(time.RFC3339Nano, want); {
	case want == "" && !got.IsZero():
		t.Errorf("occurred at: got %s, want none", got)
	case want != "" && (err != nil || !got.Equal(at)):
		t.Errorf("occurred at: got %s, want %s", got, want)
	}
}

func TestParseOccurredAt(t *testing.T) {
	streamTime := "2026-06-10T06:02:54.377Z"
	want := map[string]string{
		"form/conversations.conversation.add": "", "form/conversations.message.update": "", "form/conversations.participant.remove": "",
		"form/conversations.conversation.added": created, "form/conversations.message.updated": updated,
		"form/conversations.participant.removed": removed, "form/conversations.delivery.updated": updated,
		"form/conversations.conversation.state_updated": updated, "form/conversations.user.updated": updated,
		"form/flex.participant.joined": "", "json/orchestrator.communication.created": updated,
		"stream/conversations.participant.removed": removed, "stream-string/conversations.message.added": created,
		"stream/conversations.conversation.state_updated": updated, "stream/conversations.stream.tested": streamTime,
	}
	for _, s := range samples() {
		if at, ok := want[s.name]; ok {
			delete(want, s.name)
			t.Run(s.name, func(t *testing.T) { wantTime(t, parseOne(t, s.delivery).OccurredAt, at) })
		}
	}
	if len(want) > 0 {
		t.Errorf("no such samples: %v", sortedKeys(want))
	}
}

func TestParseTimesThatCannotBeWritten(t *testing.T) {
	for _, at := range []string{"yesterday", "9999-12-31T23:59:59-23:59", "0000-01-01T00:00:00+23:59", "2025-13-01T00:00:00Z", "1758147791"} {
		body := toJSON(map[string]any{"eventType": "NEW", "timestamp": at, "data": map[string]any{"accountId": account}})
		e := parseOne(t, jsonDelivery(events.FeedOrchestrator, body))
		wantTime(t, e.OccurredAt, "")
		if _, err := events.EncodeRaw(e); err != nil {
			t.Errorf("%s: %v", at, err)
		}
	}
	body := toJSON(map[string]any{"eventType": "NEW", "timestamp": "2025-09-17T23:23:11.35+01:00", "data": map[string]any{"accountId": account}})
	e := parseOne(t, jsonDelivery(events.FeedOrchestrator, body))
	wantTime(t, e.OccurredAt, created)
	if e.OccurredAt.Location() != time.UTC {
		t.Errorf("got a time in %s, want UTC", e.OccurredAt.Location())
	}
}
