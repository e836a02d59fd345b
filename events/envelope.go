package events

import (
	"fmt"
	"time"

	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// ContentType is the media type of every message that is published.
const ContentType = "application/cloudevents+json"

const typePrefix = "events.rollcall."

// EncodeRaw returns the message for e at StageRaw. The error wraps validation.Problems.
func EncodeRaw(e Event) ([]byte, error) {
	if len(e.problems(beginsObject)) == 0 {
		w := newWriter(StageRaw, &e, 0)
		w.event(&e)
		if b, ok := w.end(); ok {
			return b, nil
		}
	}
	return nil, fmt.Errorf("encode raw event: %w", orNotJSON(e.problems(isObject)))
}

// DecodeRaw decodes a message at StageRaw and checks it as EncodeRaw does. The error wraps
// validation.Problems, which name the field and the rule that it breaks, and never a value.
func DecodeRaw(b []byte) (Event, error) {
	var e Event
	env, err := decode(b, StageRaw, &e)
	if err != nil {
		return Event{}, fmt.Errorf("decode raw event: %w", err)
	}
	e.ID = env.ID
	if problems := append(env.mismatch(StageRaw, e), e.problems(beginsObject)...); len(problems) > 0 {
		return Event{}, fmt.Errorf("decode raw event: %w", problems)
	}
	return e, nil
}

// EncodeEnriched returns the message for e at StageEnriched; nil participants become an empty
// list. The error wraps validation.Problems.
func EncodeEnriched(e Enriched) ([]byte, error) {
	if len(e.problems(beginsObject)) == 0 && len(e.Roster.problems()) == 0 {
		w := newWriter(StageEnriched, &e.Event, e.Roster.size())
		w.event(&e.Event)
		w.roster(&e.Roster)
		if b, ok := w.end(); ok {
			return b, nil
		}
	}
	return nil, fmt.Errorf("encode enriched event: %w", orNotJSON(append(e.problems(isObject), e.Roster.problems()...)))
}

// DecodeEnriched decodes a message at StageEnriched, such as the data of a NATS message on
// "rollcall.enriched.>", and checks it as EncodeEnriched does. The error wraps validation.Problems,
// which name the field and the rule that it breaks, and never a value: the message is not one of
// ours, and decoding it again will not help.
func DecodeEnriched(b []byte) (Enriched, error) {
	var e Enriched
	env, err := decode(b, StageEnriched, &e)
	if err != nil {
		return Enriched{}, fmt.Errorf("decode enriched event: %w", err)
	}
	e.ID = env.ID
	problems := append(env.mismatch(StageEnriched, e.Event), e.problems(beginsObject)...)
	if problems = append(problems, e.Roster.problems()...); len(problems) > 0 {
		return Enriched{}, fmt.Errorf("decode enriched event: %w", problems)
	}
	if e.Roster.Participants == nil {
		e.Roster.Participants = []participants.Participant{}
	}
	return e, nil
}

// EncodeDead returns the message for d, Identified, at StageDead. The error wraps validation.Problems.
func EncodeDead(d DeadLetter) ([]byte, error) {
	d = d.Identified()
	e := d.standIn()
	e.ID = d.ID
	if len(d.problems(beginsObject)) == 0 {
		w := newWriter(StageDead, &e, d.size())
		w.letter(&d)
		if b, ok := w.end(); ok {
			return b, nil
		}
	}
	return nil, fmt.Errorf("encode dead letter: %w", orNotJSON(d.problems(isObject)))
}

// DecodeDead decodes a message at StageDead, such as the data of a NATS message on
// "rollcall.dead.>". The event in it may lack what its kind requires, since that may be why it is dead.
// The error wraps validation.Problems, which name the field and the rule that it breaks, and never a value.
func DecodeDead(b []byte) (DeadLetter, error) {
	var d DeadLetter
	env, err := decode(b, StageDead, &d)
	if err != nil {
		return DeadLetter{}, fmt.Errorf("decode dead letter: %w", err)
	}
	d.ID = env.ID
	if d.Event != nil {
		d.Event.ID = env.ID
	}
	e := d.standIn()
	e.ID = d.ID
	if problems := append(env.mismatch(StageDead, e), d.problems(beginsObject)...); len(problems) > 0 {
		return DeadLetter{}, fmt.Errorf("decode dead letter: %w", problems)
	}
	return d, nil
}

// orNotJSON returns problems or, when there are none although writing failed, the only cause that is left:
// something in the data cannot be written as JSON.
func orNotJSON(problems validation.Problems) validation.Problems {
	if len(problems) > 0 {
		return problems
	}
	return validation.Problems{{Field: "data", Rule: "json"}}
}

func (e Event) envelopeType(stage Stage) string {
	api, resource, action := e.path()
	return typePrefix + string(stage) + "." + api + "." + resource + "." + action
}

func (e Event) envelopeSource() string {
	account, api := string(e.Account), string(e.API)
	if !isToken(account) {
		account = nowhere
	}
	if !knownAPI(e.API) {
		api = Unknown
	}
	return "/twilio/" + account + "/" + api
}

func (e Event) envelopeTime() time.Time {
	if e.OccurredAt.IsZero() {
		return e.ReceivedAt.UTC()
	}
	return e.OccurredAt.UTC()
}
