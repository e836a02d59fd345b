package events

import (
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/participants"
)

// occurredAt is when Twilio says that m happened, or zero:
//
//   - v1 webhooks and Event Streams: DateRemoved of what was removed, DateUpdated of what was updated, DateCreated of
//     what was added, StateUpdated of a state; for Event Streams without one, the CloudEvent's time;
//   - v2: timestamp;
//   - Flex and pre-actions: never. A pre-action's dates are those of the last change, not of this one.
func (m message) occurredAt() time.Time {
	if name := dateOf(m.kind); name != "" {
		date, _, _ := m.payload.text(name)
		if t := parseTime(date); !t.IsZero() {
			return t
		}
	}
	return parseTime(m.clock)
}

// dateOf returns the field that says when an event of kind k occurred; "" when there is none.
func dateOf(k Kind) string {
	switch {
	case k.API != participants.Conversations:
		return ""
	case k.Action == "state_updated":
		return "StateUpdated"
	case k.Action == "removed":
		return "DateRemoved"
	case k.Action == "added":
		return "DateCreated"
	case strings.HasSuffix(k.Action, "updated"):
		return "DateUpdated"
	default:
		return ""
	}
}

// parseTime reads an RFC 3339 time as UTC. A malformed time, or one whose year in UTC has not four digits, is zero: an
// event is not refused for its date.
func parseTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	if t = t.UTC(); t.Year() < 1 || t.Year() > 9999 {
		return time.Time{}
	}
	return t
}
