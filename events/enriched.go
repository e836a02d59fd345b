package events

import (
	"time"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// RosterStatus says how much a Roster tells: a closed list.
type RosterStatus string

// The roster statuses.
const (
	RosterResolved  RosterStatus = "resolved"   // Participants are those who were there at FetchedAt
	RosterGone      RosterStatus = "gone"       // the event removes something, and Twilio no longer knows what there was to look up; nobody is listed
	RosterNotNeeded RosterStatus = "not_needed" // the event has nobody to look up; nobody is listed
)

// Roster is who is in the event's conversation or Flex channel or, for LookupParticipants, the participants
// that the event names.
type Roster struct {
	Status       RosterStatus               `json:"status"`
	Lookup       Lookup                     `json:"lookup"`              // the call that Participants come from
	FetchedAt    time.Time                  `json:"fetched_at,omitzero"` // when that call began: not before the event was received, unless the enricher may reuse rosters (--max-roster-age); zero for RosterNotNeeded
	Participants []participants.Participant `json:"participants"`        // in the order in which Twilio lists them or the event names them; empty, never null, when there are none
	Gone         []validation.V2ID          `json:"gone,omitempty"`      // for LookupParticipants: the participants that the event names and Twilio no longer knows
}

// Enriched is an event with its participants: what a message at StageEnriched holds.
type Enriched struct {
	Event
	Roster Roster `json:"roster"`
}
