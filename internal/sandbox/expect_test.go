package sandbox

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestCheckFindsWhatIsWrong(t *testing.T) {
	cast := NewCast(SID("AC", "test"))
	want := Want{
		Name: "onMessageAdded", Roster: events.RosterResolved,
		People: []participants.Participant{cast.Dana.Expected(), cast.Omar.Expected()},
	}
	right := func() events.Enriched {
		omar := cast.Omar.Expected()
		omar.URL = "https://conversations.twilio.com/"
		omar.Attributes = json.RawMessage(`{ "role": "agent", "name": "Omar Haddad" }`)
		return events.Enriched{
			Event:  events.Event{Name: "onMessageAdded"},
			Roster: events.Roster{Status: events.RosterResolved, Participants: []participants.Participant{omar, cast.Dana.Expected()}},
		}
	}
	if wrong := want.CheckEnriched(right()); wrong != nil {
		t.Errorf("got %q for another order, URL and spacing, want nothing", wrong)
	}
	for _, tt := range []struct {
		name, says string
		change     func(*events.Enriched)
	}{
		{"name", "named", func(e *events.Enriched) { e.Name = "onMessageUpdated" }},
		{"status", "roster is gone", func(e *events.Enriched) { e.Roster.Status = events.RosterGone }},
		{"gone", "1 are gone", func(e *events.Enriched) { e.Roster.Gone = []validation.V2ID{"x"} }},
		{"missing", "is missing", func(e *events.Enriched) { e.Roster.Participants = e.Roster.Participants[:1] }},
		{"changed", "differs in identity", func(e *events.Enriched) { e.Roster.Participants[0].Identity = "x" }},
		{"extra field", "differs in extra", func(e *events.Enriched) {
			e.Roster.Participants[0].Extra = map[string]json.RawMessage{"x": json.RawMessage("1")}
		}},
		{"extra", "is not expected", func(e *events.Enriched) {
			e.Roster.Participants = append(e.Roster.Participants, cast.Rosa.Expected())
		}},
		{"twice", "3 participants", func(e *events.Enriched) {
			e.Roster.Participants = append(e.Roster.Participants, cast.Dana.Expected())
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := right()
			tt.change(&e)
			if got := strings.Join(want.CheckEnriched(e), "; "); !strings.Contains(got, tt.says) {
				t.Errorf("got %q, want it to say %q", got, tt.says)
			}
		})
	}
	dead := events.DeadLetter{Reason: events.ReasonContract}
	if want.CheckDead(dead) == nil {
		t.Error("got nothing for a dead letter, want that it is one")
	}
	if (Want{Reason: events.ReasonInvalid}).CheckDead(dead) == nil {
		t.Error("got nothing for another reason, want that it differs")
	}
	if (Want{Reason: events.ReasonInvalid}).CheckEnriched(right()) == nil {
		t.Error("got nothing for an enriched event, want that it should be dead")
	}
}
