package events

import (
	"time"
	"unicode/utf8"

	"github.com/rollcall-events/rollcall/validation"
)

// Delivery is one webhook request whose signature has been verified.
type Delivery struct {
	Feed             Feed             // of the route that it came to
	Method           string           // "GET", with the fields in Query, or "POST", with the fields in Body
	ContentType      string           // as received
	Query            string           // raw, as received; read for GET only, and bodySHA256 is ignored
	Body             []byte           // raw, as received
	IdempotencyToken string           // the I-Twilio-Idempotency-Token header; "" when not sent
	Signer           []validation.SID // the accounts whose key signed it; an empty one stands for any account
	ReceivedAt       time.Time
}

// Parse turns a verified delivery into events, and into dead letters for what is not a valid event. Nothing is
// dropped: a delivery that cannot be parsed is one dead letter, and an Event Streams batch of n items is n
// results in all. It keeps no reference to d.
//
//   - A type that is not among Kinds is an event, with Unknown for its resource and action.
//   - The account is the one that the fields name, else the first of Signer that is not empty. When neither tells, an
//     event that looks nothing up (a test event, an unknown type) goes without; any other is ReasonInvalid.
//   - An event that names an account which Signer does not cover is ReasonForeignAccount.
//   - A body that is not UTF-8, that breaks its format, that repeats a key in a JSON object, or that exceeds
//     MaxFields, MaxDepth or MaxBatch is ReasonUnparseable.
//   - An identifier that is malformed, or missing although the Kind requires it, is ReasonInvalid, and so are more than
//     MaxParticipants participants.
func Parse(d Delivery) (accepted []Event, rejected []DeadLetter) {
	messages, err := read(d)
	if err != nil {
		return nil, []DeadLetter{d.Unparseable(err.Error())}
	}
	for _, m := range messages {
		if e, letter := d.judge(m); letter != nil {
			rejected = append(rejected, *letter)
		} else {
			accepted = append(accepted, e)
		}
	}
	return accepted, rejected
}

// judge returns m as an event, or as a dead letter.
func (d Delivery) judge(m message) (Event, *DeadLetter) {
	if len(m.problems) > 0 {
		body := m.body
		if body == nil {
			body = d.body()
		}
		letter := d.letter(ReasonInvalid, body)
		letter.Problems = m.problems
		return Event{}, &letter
	}
	account, foreign, problem := m.account(d.Signer)
	refs, problems := m.refs()
	if problem != nil {
		problems = append(problems, *problem)
	}
	e := d.event(m, account, refs)
	switch {
	case foreign:
		letter := e.Letter(ReasonForeignAccount, e.ReceivedAt)
		return Event{}, &letter
	case len(problems) > 0:
		letter := e.Letter(ReasonInvalid, e.ReceivedAt)
		letter.Problems = problems
		return Event{}, &letter
	default:
		return e, nil
	}
}

func (d Delivery) event(m message, account validation.SID, refs Refs) Event {
	e := Event{
		ID:  m.identity(account, d.ReceivedAt),
		API: m.kind.API, Resource: m.kind.Resource, Action: m.kind.Action,
		Name: cut(m.name, MaxName), Feed: d.Feed, PreAction: m.kind.Pre,
		Account: account, Refs: refs,
		OccurredAt: m.occurredAt(), ReceivedAt: d.ReceivedAt.UTC(),
		Payload: m.payload.raw(),
	}
	if m.envelope != nil {
		e.Envelope = m.envelope.raw()
	}
	return e
}

// cut returns the longest prefix of s that has at most n bytes and ends with a whole character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// Unparseable returns the dead letter of a delivery that no event can be read from: what Parse makes of one, for a caller
// that cannot let Parse read it. detail says why, for people, and must quote nothing of d. The letter keeps no reference to d.
func (d Delivery) Unparseable(detail string) DeadLetter {
	letter := d.letter(ReasonUnparseable, d.body())
	letter.Detail = detail
	return letter
}

// letter is a dead letter for bytes that no event could be read from. Its account is the signing key's.
func (d Delivery) letter(reason Reason, body []byte) DeadLetter {
	return DeadLetter{
		ID: Digest(body), Reason: reason, FailedAt: d.ReceivedAt.UTC(),
		Feed: d.Feed, Account: signerAccount(d.Signer), ContentType: cut(d.ContentType, MaxName), Body: append([]byte(nil), body...),
	}
}
