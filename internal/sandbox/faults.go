package sandbox

import (
	"slices"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Fault is what happens to some requests instead of, or before, their answer. Its first fields say to which;
// all of them must hold. The zero value of a field asks for nothing. Its JSON may give the latency as "250ms".
type Fault struct {
	Path        string         `json:"path,omitempty"`        // requests whose path contains it
	Account     validation.SID `json:"account,omitempty"`     // requests with credentials of this account
	Concurrency int            `json:"concurrency,omitempty"` // requests beyond so many of one account at once; Status is 429 unless given
	Every       int            `json:"every,omitempty"`       // of those only each so-many-th
	Times       int            `json:"times,omitempty"`       // how many requests, then the fault is spent; 0 is for ever

	Latency     time.Duration `json:"latency,omitempty"`      // before anything else happens; the JSON is nanoseconds or "250ms"
	Hang        bool          `json:"hang,omitempty"`         // no answer for as long as the caller waits; with Truncate, after half of it
	Status      int           `json:"status,omitempty"`       // answer with this status and Twilio's error body for it
	Code        int           `json:"code,omitempty"`         // Twilio's error code; default: the usual one for Status
	Standard    bool          `json:"standard,omitempty"`     // the error body in the shape of the API standards
	RetryAfter  string        `json:"retry_after,omitempty"`  // the header: seconds, a date, or "+7s" for the date that is so far away
	Body        string        `json:"body,omitempty"`         // answer with this body as it is, and Status or 200
	ContentType string        `json:"content_type,omitempty"` // of Body, which may then be empty; default: application/json
	Truncate    bool          `json:"truncate,omitempty"`     // cut the usual answer in half and the connection with it
	Wrong       Wrong         `json:"wrong,omitempty"`        // give the participants of the usual answer wrong identifiers
	NextPage    string        `json:"next_page,omitempty"`    // the link of a usual list: NextSelf, NextEndless, or a URL (v2: a token) as it is
	Shift       int           `json:"shift,omitempty"`        // so many join (or, negative, leave) at the front of a list before each page but the first
}

// Wrong says which identifiers of an answer are wrong.
type Wrong string

// The wrong identifiers. What an API does not show cannot be wrong: Flex shows no account.
const (
	WrongAccount      Wrong = "account"      // another account's
	WrongConversation Wrong = "conversation" // another conversation's, or another Flex channel's
	WrongParticipant  Wrong = "participant"  // another participant's: to be noticed only where one was asked for
	WrongFormat       Wrong = "format"       // the participants' own are no identifiers
)

// The next pages with a meaning of their own.
const (
	NextSelf    = "self"    // the page itself: a loop
	NextEndless = "endless" // always one more page
)

// Script adds faults. A request meets the first one that is for it and is not spent.
func (t *Twilio) Script(f ...Fault) { t.faults.add(f...) }

// ClearFaults forgets every fault; requests that hang go on hanging.
func (t *Twilio) ClearFaults() { t.faults.clear() }

// Faults returns those that are not spent, with the times that are left.
func (t *Twilio) Faults() []Fault {
	t.faults.mu.Lock()
	defer t.faults.mu.Unlock()
	return slices.Clone(t.faults.list)
}
