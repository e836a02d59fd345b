package enrich

import (
	"errors"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// verdict is what an outcome of a call means for the events that wait for it: a
// closed list, and the label of the calls metric.
type verdict string

const (
	verdictUse     verdict = "use"     // a whole answer, as documented
	verdictAbsent  verdict = "absent"  // Twilio does not know it
	verdictRefuse  verdict = "refuse"  // the same call would always be refused
	verdictHold    verdict = "hold"    // our credentials are wrong: the account waits, nothing is burnt
	verdictSlow    verdict = "slow"    // too many calls: fewer, and later
	verdictRetry   verdict = "retry"   // the host is unwell
	verdictSuspect verdict = "suspect" // an answer that departs from the documentation: may pass, may not
)

// rule is what is done about a verdict.
type rule struct {
	final  bool          // the answer stands, for everyone who waited for it
	reason events.Reason // of the dead letter when the answer stands and is of no use
	tries  int           // how often before an answer that is not final stands; 0: until the head is overdue
	delay  func(tries int, e *participants.Error) time.Duration
	pause  func(e *participants.Error) time.Duration // for which the whole account is left alone
	host   bool                                      // the breaker counts it against the host
}

// rules is the whole policy for Twilio's API. For an event that removes something
// an absent one is what it is about, and no failure: see assemble.
var rules = map[verdict]rule{
	verdictUse:     {final: true},
	verdictAbsent:  {final: true, reason: events.ReasonNotFound},
	verdictRefuse:  {final: true, reason: events.ReasonRefused},
	verdictSuspect: {tries: 4, reason: events.ReasonContract, delay: spread},
	verdictHold:    {},
	verdictSlow:    {delay: backoff, pause: told},
	verdictRetry:   {delay: asTold, host: true},
}

// judge turns how a call ended into a verdict.
func judge(err error) verdict {
	if err == nil {
		return verdictUse
	}
	e, ok := errors.AsType[*participants.Error](err)
	if !ok {
		return verdictRetry
	}
	switch e.Failure {
	case participants.FailureContract, participants.FailurePaging, participants.FailureTooLarge:
		return verdictSuspect
	case participants.FailureArgument:
		return verdictRefuse
	case participants.FailureStatus:
		return judgeStatus(e.Status)
	default:
		return verdictRetry
	}
}

func judgeStatus(status int) verdict {
	switch {
	case status == http.StatusNotFound, status == http.StatusGone:
		return verdictAbsent
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return verdictHold
	case status == http.StatusTooManyRequests:
		return verdictSlow
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly, status >= 500:
		return verdictRetry
	case status >= 400:
		return verdictRefuse
	default:
		return verdictSuspect // a redirect, say: none is documented
	}
}

// hasAnswer reports whether the host answered a call that ended in e, nil for success. There is none where it could not be reached,
// where no request was made, and where ours is the defect.
func hasAnswer(e *participants.Error) bool { return e == nil || e.Status != 0 }

// provesCredentials reports whether a call that ended in e, nil for success, got an answer that Twilio gives only to those whose
// credentials it believes: a 2xx, or that something is wrong with the request itself. What redirects, times out or counts
// requests may stand in front of what reads them.
func provesCredentials(e *participants.Error) bool {
	if e == nil {
		return true
	}
	switch e.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return false
	default:
		return e.Status >= 200 && e.Status <= 299 || e.Status >= 400 && e.Status <= 499
	}
}

const (
	backoffFirst  = 250 * time.Millisecond
	backoffMost   = time.Minute
	spreadFirst   = 2 * time.Second
	pollFirst     = 20 * time.Millisecond
	pollMost      = 2 * time.Second
	retryAfterMax = 5 * time.Minute // however long Twilio asks for
)

// backoff is exponential with full jitter.
func backoff(tries int, _ *participants.Error) time.Duration {
	return upTo(doubled(backoffFirst, tries))
}

// spread is exponential with half jitter: never soon, since what is wrong with the answer must have time to pass.
func spread(tries int, _ *participants.Error) time.Duration {
	d := doubled(spreadFirst, tries)
	return d/2 + upTo(d/2)
}

// told is what Retry-After said, bounded; 0 when it said nothing.
func told(e *participants.Error) time.Duration {
	if e == nil {
		return 0
	}
	return min(e.RetryAfter, retryAfterMax)
}

// asTold is what Retry-After said, or else backoff. The jitter on top of it is up to
// a tenth, so that those who were told the same do not come back together.
func asTold(tries int, e *participants.Error) time.Duration {
	d := told(e)
	if d <= 0 {
		return backoff(tries, e)
	}
	return d + upTo(d/10)
}

// poll is how long to wait before NATS is asked again: short, since the answer costs little and
// a conversation waits for it.
func poll(tries int) time.Duration {
	return upTo(min(doubled(pollFirst, tries), pollMost))
}

// upTo returns more than nothing and at most d, by chance.
func upTo(d time.Duration) time.Duration {
	return rand.N(max(d, 1)) + 1 //nolint:gosec // a spread, not a secret
}

// doubled is first for the first try and twice as much for each further one, up to backoffMost.
func doubled(first time.Duration, tries int) time.Duration {
	return min(first<<min(max(tries-1, 0), 10), backoffMost)
}
