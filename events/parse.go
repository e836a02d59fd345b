package events

import (
	"time"
	"unicode/utf8"

	"github.com/rollcall-events/rollcall/validation"
)

// Delivery is one webhook request whose signature has been verified.
type Delivery struct {
	Feed             Feed
	Method           string           // "GET": the fields are in Query
	ContentType      string           // as received
	Query            string           // the raw query; bodySHA256 is ours to ignore
	Body             []byte           // raw
	IdempotencyToken string           // I-Twilio-Idempotency-Token; "" when not sent
	Signer           []validation.SID // the accounts that the verifying key belongs to; an empty one accepts any account
	ReceivedAt       time.Time
}

// Parse turns a verified delivery into what it says: events, and dead letters for
// what cannot be believed (a whole body that does not parse, one bad item of
// a batch). Nothing of a delivery is dropped: an Event Streams batch of n items gives n results
// in all. An unknown type is an event, not a dead letter. A delivery that speaks for an
// account which is not among Signer is a dead letter with ReasonForeignAccount.
//
// The account is the one that the fields name, else the first of Signer that is not empty. When there is
// neither, an event that looks nothing up (a test event, an unknown type) goes without; any other is ReasonInvalid.
//
// A body that is not UTF-8, that breaks its format, that names one JSON key twice or that exceeds
// MaxFields, MaxDepth or MaxBatch is ReasonUnparseable. Parse keeps no reference to d.
func Parse(d Delivery) (accepted []Event, rejected []DeadLetter) {
	messages, err := read(d)
	if err != nil {
		letter := d.letter(ReasonUnparseable, d.body())
		letter.Detail = err.Error()
		return nil, []DeadLetter{letter}
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
		return Event{}, d.bury(e, ReasonForeignAccount, nil)
	case len(problems) > 0:
		return Event{}, d.bury(e, ReasonInvalid, problems)
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

// cut returns the longest prefix of s of at most n bytes that ends with a whole character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func (d Delivery) bury(e Event, reason Reason, problems validation.Problems) *DeadLetter {
	return &DeadLetter{
		ID: e.ID, Reason: reason, Problems: problems, FailedAt: e.ReceivedAt,
		Event: &e, Feed: d.Feed, Account: e.Account,
	}
}

// letter is a dead letter for bytes that no event could be read from. Its account is the signing key's.
func (d Delivery) letter(reason Reason, body []byte) DeadLetter {
	return DeadLetter{
		ID: digest(body), Reason: reason, FailedAt: d.ReceivedAt.UTC(),
		Feed: d.Feed, Account: signerAccount(d.Signer), ContentType: cut(d.ContentType, MaxName), Body: append([]byte(nil), body...),
	}
}
