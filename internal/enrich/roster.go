package enrich

import (
	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// assemble makes the roster of the event of item from the answers to its calls, or returns the answer for which the event
// cannot be enriched. Everyone being absent is what a removal is about; for any other event it is a failure.
func assemble(item *item) (events.Roster, *answer) {
	done := item.effort()
	kind := done.event.Kind()
	roster := events.Roster{
		Status:       events.RosterNotNeeded,
		Lookup:       kind.Lookup,
		Participants: []participants.Participant{},
	}
	var absent *answer
	found := false
	for i, c := range item.needs.calls {
		a := done.answers[i]
		if roster.FetchedAt.IsZero() || a.began.Before(roster.FetchedAt) {
			roster.FetchedAt = a.began
		}
		switch a.verdict {
		case verdictUse:
			found = true
			roster.Participants = append(roster.Participants, a.participants...)
		case verdictAbsent:
			absent = a
			if kind.Lookup == events.LookupParticipants {
				roster.Gone = append(roster.Gone, validation.V2ID(c.id))
			}
		default:
			return events.Roster{}, a
		}
	}
	switch {
	case found:
		roster.Status = events.RosterResolved
	case absent != nil && kind.Removal:
		roster.Status = events.RosterGone
	case absent != nil:
		return events.Roster{}, absent
	}
	return roster, nil
}
