package participants

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Failure says what kind of thing went wrong with a call: a closed list.
type Failure string

// The failures.
const (
	FailureStatus    Failure = "status"    // Twilio answered with a status that is not 2xx
	FailureTransport Failure = "transport" // no whole answer: refused, reset, timed out, cut, cancelled
	FailureContract  Failure = "contract"  // a whole 2xx answer that breaks the API's page, or is not JSON
	FailurePaging    Failure = "paging"    // a next page that loops, leaves the list or exceeds the documented maximum
	FailureTooLarge  Failure = "too_large" // an answer over Config.MaxBody
	FailureArgument  Failure = "argument"  // an identifier that cannot be asked for; nothing was sent
)

// Error is how every call fails. It never carries a field's value, a URL's query
// or a credential.
type Error struct {
	Failure    Failure
	Operation  string              // "list conversation participants", …
	Status     int                 // HTTP status; 0 when there was none
	Code       int                 // Twilio's error code; 0 when there was none
	Message    string              // Twilio's message, each word that is not of Twilio's own usual ones replaced by "…"
	RequestID  string              // Twilio-Request-Id; "" when it was absent or malformed
	RetryAfter time.Duration       // from Retry-After, seconds or date, at most an hour; 0 when there was none
	Problems   validation.Problems // for FailureContract and FailureArgument; at most 20
	Err        error               // the cause, when there is one; context errors are found by errors.Is
}

// Error says what failed and how, in words that are fit for a log.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation)
	b.WriteString(": ")
	b.WriteString(e.reason())
	if e.RequestID != "" {
		b.WriteString(" (request " + e.RequestID + ")")
	}
	return b.String()
}

func (e *Error) reason() string {
	switch e.Failure {
	case FailureStatus:
		return e.status()
	case FailureContract:
		return "answer breaks its contract: " + e.Problems.Error()
	case FailureArgument:
		return "malformed argument: " + e.Problems.Error()
	case FailurePaging:
		return "next page refused: " + e.cause()
	case FailureTooLarge:
		return "answer too large"
	default:
		return "no whole answer: " + e.cause()
	}
}

func (e *Error) status() string {
	s := fmt.Sprintf("status %d", e.Status)
	if e.Code != 0 {
		s += fmt.Sprintf(", code %d", e.Code)
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

func (e *Error) cause() string {
	if e.Err == nil {
		return "unknown cause"
	}
	return e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Permanent reports whether the same call would fail in the same way again: a malformed
// argument, a redirect, and every 4xx but 408, 425 and 429. All else may be another answer next time,
// a contract, paging or size failure too. That 401 and 403 end when the
// credentials are put right is for the caller's policy.
func (e *Error) Permanent() bool {
	if e.Failure != FailureStatus {
		return e.Failure == FailureArgument
	}
	switch e.Status {
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	}
	return e.Status >= 300 && e.Status < 500
}
