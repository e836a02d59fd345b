package events

import (
	"encoding/json"
	"iter"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Reason is why an event could not be done: a closed list, shared by errors,
// metric labels, logs and dead letters.
type Reason string

// The reasons.
const (
	ReasonUnparseable    Reason = "unparseable"     // authentic, but no event could be read from it
	ReasonInvalid        Reason = "invalid"         // an identifier or a required field is missing or malformed
	ReasonForeignAccount Reason = "foreign_account" // it speaks for an account whose key did not sign it
	ReasonNotFound       Reason = "not_found"       // Twilio does not know what the event is about, and the event is no removal
	ReasonRefused        Reason = "refused"         // Twilio answered with another permanent 4xx
	ReasonContract       Reason = "contract"        // Twilio's answers kept breaking the API's page
	ReasonOverdue        Reason = "overdue"         // it was first in its conversation for longer than allowed
	ReasonTooLarge       Reason = "too_large"       // the enriched event exceeds what NATS takes
	ReasonCorrupt        Reason = "corrupt"         // a raw message that is not one of ours
)

// Reasons returns all of them, in a stable order.
func Reasons() []Reason {
	return []Reason{
		ReasonUnparseable, ReasonInvalid, ReasonForeignAccount, ReasonNotFound, ReasonRefused,
		ReasonContract, ReasonOverdue, ReasonTooLarge, ReasonCorrupt,
	}
}

// DeadLetter is what could not be done, whole, with its reason. Either Event is set, or
// Body holds the authentic bytes that no event could be read from.
type DeadLetter struct {
	ID       string              `json:"-"` // the event's id, or a digest of Body: the CloudEvents id
	Reason   Reason              `json:"reason"`
	Detail   string              `json:"detail,omitempty"` // for people; no values from outside
	Problems validation.Problems `json:"problems,omitempty"`
	FailedAt time.Time           `json:"failed_at"`
	Attempts int                 `json:"attempts,omitempty"` // calls made to Twilio for it

	Event *Event `json:"event,omitempty"` // for ReasonInvalid: with the identifiers that are well formed

	Feed        Feed           `json:"feed,omitempty"` // "" when it is not known
	Account     validation.SID `json:"account_sid,omitempty"`
	ContentType string         `json:"content_type,omitempty"`
	Body        []byte         `json:"body,omitempty"` // base64 in JSON

	Stripped bool `json:"stripped,omitempty"` // what Twilio sent is not in it, so that it cannot be replayed: see Shortened
}

// shortList and shortText are how much of each list, and of a text in bytes, a shorter form keeps.
const (
	shortList = 20
	shortText = 1 << 10
)

// Forms yields d whole and then in ever shorter forms, each with the same ID: for where a letter is larger than a message may
// be. The second is without the ends of long lists and texts of ours, the last is Shortened.
func (d DeadLetter) Forms() iter.Seq[DeadLetter] {
	return func(yield func(DeadLetter) bool) {
		_ = yield(d) && yield(d.trimmed()) && yield(d.Shortened())
	}
}

// trimmed is d without the ends of a long detail and a long list of problems.
func (d DeadLetter) trimmed() DeadLetter {
	d = d.identified()
	d.Problems = d.Problems[:min(len(d.Problems), shortList)]
	if len(d.Detail) > shortText {
		d.Detail = strings.ToValidUTF8(d.Detail[:shortText], "")
	}
	return d
}

// Shortened returns what can be kept of d, with the same ID, where d is larger than a message may be: all but what Twilio sent
// and the ends of long lists. That is some kilobytes, whatever d holds.
func (d DeadLetter) Shortened() DeadLetter {
	d = d.trimmed()
	if d.Detail != "" {
		d.Detail += "; "
	}
	d.Detail += "what Twilio sent is not kept: with it the letter was larger than a message may be"
	d.Body, d.Stripped = nil, true
	if d.Event != nil {
		e := *d.Event
		e.Payload, e.Envelope = json.RawMessage("{}"), nil
		e.Refs.ParticipantIDs = e.Refs.ParticipantIDs[:min(len(e.Refs.ParticipantIDs), shortList)]
		d.Event = &e
	}
	return d
}

// Subject is where the letter is published: rollcall.dead.<api>.<resource>.<action>.<key>. Without an
// event it is rollcall.dead.<api of the feed>.unknown.unknown.<account, or "none">.
func (d DeadLetter) Subject() string {
	return d.standIn().Subject(StageDead)
}

// standIn is the event that the letter's envelope and subject are made from.
func (d DeadLetter) standIn() Event {
	if d.Event != nil {
		return *d.Event
	}
	return Event{API: d.Feed.api(), Resource: Unknown, Action: Unknown, Feed: d.Feed, Account: d.Account, ReceivedAt: d.FailedAt}
}
