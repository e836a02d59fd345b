package events

import (
	"time"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// RosterStatus says what a Roster holds.
type RosterStatus string

// The roster statuses.
const (
	RosterResolved  RosterStatus = "resolved"   // Participants is who was there at FetchedAt
	RosterGone      RosterStatus = "gone"       // the event removes something, and Twilio knows neither it nor what it was in any more
	RosterNotNeeded RosterStatus = "not_needed" // this kind of event has nobody to look up
)

// Roster is who is in the conversation (or, for LookupParticipants, whom the event names).
type Roster struct {
	Status       RosterStatus               `json:"status"`
	Lookup       Lookup                     `json:"lookup"`
	FetchedAt    time.Time                  `json:"fetched_at,omitzero"` // when the fetch began: not before the event was received, unless the enricher may reuse rosters
	Participants []participants.Participant `json:"participants"`        // never null
	Gone         []validation.V2ID          `json:"gone,omitempty"`      // LookupParticipants: those that Twilio no longer knows
}

// Enriched is the product: an event with its participants. Its CloudEvents id is the event's.
type Enriched struct {
	Event
	Roster Roster `json:"roster"`
}
