package events

import (
	"encoding/json"
	"iter"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Reason is why an event could not be enriched: a closed list, shared by errors,
// metric labels, logs and dead letters.
type Reason string

// The reasons.
const (
	ReasonUnparseable    Reason = "unparseable"     // the signature is right, but no event can be read from the body
	ReasonInvalid        Reason = "invalid"         // an identifier or another required field is missing or malformed
	ReasonForeignAccount Reason = "foreign_account" // it names an account whose key did not sign it
	ReasonNotFound       Reason = "not_found"       // Twilio answered 404 for what the event is about, and the event is not a removal
	ReasonRefused        Reason = "refused"         // Twilio answered with another permanent 4xx
	ReasonContract       Reason = "contract"        // Twilio's answers kept departing from its API's documentation
	ReasonOverdue        Reason = "overdue"         // it was the first in its conversation for longer than --head-timeout
	ReasonTooLarge       Reason = "too_large"       // the event, as it came or with its participants, is larger than a NATS message may be
	ReasonCorrupt        Reason = "corrupt"         // a message at StageRaw that cannot be decoded
	ReasonMissed         Reason = "missed"          // it was stored at StageRaw and came to no enricher: an audit found it
)

// Reasons returns every reason, in a stable order.
func Reasons() []Reason {
	return []Reason{
		ReasonUnparseable, ReasonInvalid, ReasonForeignAccount, ReasonNotFound, ReasonRefused,
		ReasonContract, ReasonOverdue, ReasonTooLarge, ReasonCorrupt, ReasonMissed,
	}
}

// DeadLetter is what could not be enriched, with the reason: what a message at StageDead holds. Either Event is
// set, or Body holds the bytes that no event could be read from, as they came from Twilio or, for ReasonCorrupt,
// from NATS; unless the letter is Stripped.
type DeadLetter struct {
	ID       string              `json:"-"` // the event's ID or, without an event, the Digest of what came: the CloudEvents id
	Reason   Reason              `json:"reason"`
	Detail   string              `json:"detail,omitempty"`   // for people; it repeats nothing that came from outside
	Problems validation.Problems `json:"problems,omitempty"` // what is wrong, for ReasonInvalid and ReasonContract
	FailedAt time.Time           `json:"failed_at"`          // UTC
	Attempts int                 `json:"attempts,omitempty"` // calls made to Twilio for it

	Event *Event `json:"event,omitempty"` // for ReasonInvalid its Refs are those that are well formed

	Feed        Feed           `json:"feed,omitempty"`         // "" when it is not known
	Account     validation.SID `json:"account_sid,omitempty"`  // AC…; of the event, else of the signing key; "" when neither names one
	ContentType string         `json:"content_type,omitempty"` // of Body; cut at MaxName bytes where it is a webhook's
	Body        []byte         `json:"body,omitempty"`         // base64 in JSON

	Stripped bool `json:"stripped,omitempty"` // what Twilio sent was left out, so that it cannot be replayed: see Forms
}

// Letter returns a dead letter about e, which failed at the given time.
func (e Event) Letter(reason Reason, at time.Time) DeadLetter {
	return DeadLetter{ID: e.ID, Reason: reason, FailedAt: at, Event: &e, Feed: e.Feed, Account: e.Account}
}

// Identified returns d with an ID: its own, else its event's, else the Digest of Body.
func (d DeadLetter) Identified() DeadLetter {
	switch {
	case d.ID != "":
	case d.Event != nil:
		d.ID = d.Event.ID
	default:
		d.ID = Digest(d.Body)
	}
	return d
}

// shortList and shortText are how many items of a list, and how many bytes of a text, a shorter form keeps.
const (
	shortList = 20
	shortText = 1 << 10
)

// Forms yields ever shorter forms of d, so that a letter that is too large for one message can be published in the longest
// form that fits: first d itself, then d with Problems and Detail cut short, and last d Stripped, which takes a few
// kilobytes whatever d holds. All have the same ID, and the same Reason: that a letter is too large is not why the event died.
func (d DeadLetter) Forms() iter.Seq[DeadLetter] {
	return func(yield func(DeadLetter) bool) {
		_ = yield(d) && yield(d.trimmed()) && yield(d.stripped())
	}
}

// trimmed is d without the ends of a long detail and a long list of problems.
func (d DeadLetter) trimmed() DeadLetter {
	d = d.Identified()
	d.Problems = d.Problems[:min(len(d.Problems), shortList)]
	if len(d.Detail) > shortText {
		d.Detail = strings.ToValidUTF8(d.Detail[:shortText], "")
	}
	return d
}

// stripped is trimmed without what Twilio sent.
func (d DeadLetter) stripped() DeadLetter {
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

// Subject returns the subject that d is published on: rollcall.dead.<api>.<resource>.<action>.<key>. Without an
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
