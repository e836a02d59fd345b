package participants

import (
	"fmt"
	"strings"
	"time"

	"github.com/rollcall-events/rollcall/validation"
)

// Failure says how a call failed: a closed list.
type Failure string

// The failures.
const (
	FailureStatus    Failure = "status"    // Twilio answered with a status other than 2xx
	FailureTransport Failure = "transport" // no complete answer: connection refused or reset, timeout, cancellation, cut body
	FailureContract  Failure = "contract"  // a complete 2xx answer that is not JSON, or not as the API is documented
	FailurePaging    Failure = "paging"    // the next page is a loop, leaves the list or exceeds the documented maximum
	FailureTooLarge  Failure = "too_large" // an answer larger than Config.MaxBody
	FailureArgument  Failure = "argument"  // a malformed identifier was passed; no request was made
)

// Error is the error of every call. It never carries a field's value, a URL's query or a
// credential, so that it is fit for a log.
type Error struct {
	Failure    Failure
	Operation  string              // "list conversation participants", "list channel participants", "list v2 participants" or "fetch v2 participant"
	Status     int                 // HTTP status; 0 without an answer
	Code       int                 // Twilio's error code, such as 20404; 0 when it gave none
	Message    string              // Twilio's message, with "…" for words that could be data: all but those that its messages usually consist of
	RequestID  string              // the Twilio-Request-Id header, RQ…; "" when absent or malformed
	RetryAfter time.Duration       // from the Retry-After header, in seconds or as a date; at most an hour; 0 when absent, malformed or past
	Problems   validation.Problems // for FailureContract and FailureArgument; at most 20
	Err        error               // the cause, for FailureTransport and FailurePaging; errors.Is finds context errors in it
}

// Error returns what failed and why, on one line.
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
