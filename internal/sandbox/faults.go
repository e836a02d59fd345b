package sandbox

import (
	"slices"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Fault is something that goes wrong with some requests. The first fields say which: those that match all of
// them. The others say what happens, instead of the usual answer or to it. Fields that are zero do nothing.
type Fault struct {
	Path        string         `json:"path,omitempty"`        // a part of the request's path
	Account     validation.SID `json:"account,omitempty"`     // the account whose credentials the request carries
	Concurrency int            `json:"concurrency,omitempty"` // requests beyond this many at once of one account; Status is then 429 by default
	Every       int            `json:"every,omitempty"`       // 3: only every third of the requests that match the above
	Times       int            `json:"times,omitempty"`       // how many requests until the fault is spent; 0 for no end

	Latency     time.Duration `json:"latency,omitempty"`      // delay before anything else; in JSON nanoseconds or "250ms"
	Hang        bool          `json:"hang,omitempty"`         // no answer until the caller gives up; with Truncate, half an answer first
	Status      int           `json:"status,omitempty"`       // answer with this status and Twilio's error body for it
	Code        int           `json:"code,omitempty"`         // Twilio's error code; default: the usual one for Status
	Standard    bool          `json:"standard,omitempty"`     // the error body in the shape of Twilio's API standards
	RetryAfter  string        `json:"retry_after,omitempty"`  // the header: seconds, a date, or "+7s" for the date in 7 s
	Body        string        `json:"body,omitempty"`         // answer with this body, and with Status or 200
	ContentType string        `json:"content_type,omitempty"` // of Body, which may then be empty; default: application/json
	Truncate    bool          `json:"truncate,omitempty"`     // send half of the usual answer, then close the connection
	Wrong       Wrong         `json:"wrong,omitempty"`        // replace identifiers in the usual answer by wrong ones
	NextPage    string        `json:"next_page,omitempty"`    // replace the link to the next page: NextSelf, NextEndless, or any URL (v2: token)
	Shift       int           `json:"shift,omitempty"`        // this many join (negative: leave) at the front of the list before each further page
}

// Wrong says which identifiers of an answer are wrong.
type Wrong string

// The wrong identifiers. Those that an API does not show stay: Flex shows no account.
const (
	WrongAccount      Wrong = "account"      // of another account
	WrongConversation Wrong = "conversation" // of another conversation or Flex channel
	WrongParticipant  Wrong = "participant"  // of another participant: a client can notice only if it asked for one
	WrongFormat       Wrong = "format"       // malformed identifiers of participants
)

// The values of Fault.NextPage with a meaning of their own.
const (
	NextSelf    = "self"    // the page itself: a loop
	NextEndless = "endless" // always one more page
)

// Script adds faults. A request meets the first one that matches it and is not spent.
func (t *Twilio) Script(f ...Fault) { t.faults.add(f...) }

// ClearFaults removes all faults. Requests that hang already keep hanging.
func (t *Twilio) ClearFaults() { t.faults.clear() }

// Faults returns the faults that are not spent, with the Times that are left.
func (t *Twilio) Faults() []Fault {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	return slices.Clone(t.faults.list)
}
