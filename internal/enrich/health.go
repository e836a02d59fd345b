package enrich

import (
	"log/slog"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
)

// health is what is known of a host: whether it is worth calling, and whether what fails is the host or one
// conversation alone.
type health struct {
	breaker circuitbreaker.CircuitBreaker[any]

	mu     sync.Mutex
	failed map[string]struct{} // what calls failed for since the host last answered
	away   bool                // it could not even be reached since it last answered
}

// The breaker of a host opens when half of at least 20 calls within 30 s failed, so that
// one unwell conversation alone never opens it, and then lets one call through every 5 s or so.
const (
	breakerRate   = 0.5
	breakerCalls  = 20
	breakerPeriod = 30 * time.Second
	breakerDelay  = 5 * time.Second
)

// outageOf is for how many conversations calls must fail, with no answer in between, for it to be the host.
const outageOf = 2

func newHealth(h host, log *slog.Logger) *health {
	return &health{
		failed: map[string]struct{}{},
		breaker: circuitbreaker.NewBuilder[any]().
			WithFailureRateThreshold(breakerRate, breakerCalls, breakerPeriod).
			WithSuccessThreshold(1).
			WithDelay(breakerDelay).WithJitterFactor(0.2).
			OnStateChanged(func(e circuitbreaker.StateChangedEvent) { tellBreaker(log, h, e) }).
			Build(),
	}
}

// tellBreaker logs that an outage begins and that it has ended; the tries in between are for those who look closer.
func tellBreaker(log *slog.Logger, h host, e circuitbreaker.StateChangedEvent) {
	host := slog.String("host", string(h))
	switch {
	case e.NewState == circuitbreaker.ClosedState:
		log.Info("Twilio's API answers again: all calls are made", host)
	case e.OldState == circuitbreaker.ClosedState:
		log.Warn("half of the calls to Twilio's API fail: one every few seconds is made until it answers", host)
	case e.NewState == circuitbreaker.OpenState:
		log.Debug("Twilio's API still fails", host)
	default:
		log.Debug("Twilio's API is tried again", host)
	}
}

// outage reports whether the host fails as a whole: its breaker is not closed, or too few calls are made for that, and it
// could not be reached, or they failed for several conversations, with no answer since. What fails for
// one conversation alone may be that conversation.
func (h *health) outage() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.away || len(h.failed) >= outageOf || !h.breaker.IsClosed()
}

// answered notes a call that the host is not to blame for, however it ended.
func (h *health) answered() {
	h.breaker.RecordSuccess()
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.failed)
	h.away = false
}

// notAsked notes a call that says nothing about the host. Where it was the one that an open breaker lets through, the breaker waits
// before the next one: it would let none through while it knows of no end of this one.
func (h *health) notAsked() {
	if h.breaker.IsHalfOpen() {
		h.breaker.RecordFailure()
	}
}

// failedFor notes a call about within that the host is to blame for; reached says whether it was there at all.
func (h *health) failedFor(within string, reached bool) {
	h.breaker.RecordFailure()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.away = h.away || !reached
	if len(h.failed) < outageOf {
		h.failed[within] = struct{}{}
	}
}

// isOpen reports whether the breaker keeps every call back right now.
func (h *health) isOpen() bool { return h.breaker.RemainingDelay() > 0 }

// again is when to ask for a host whose breaker is open. Part of it is by chance, so that
// not everyone comes back together.
func (h *health) again() time.Duration {
	return h.breaker.RemainingDelay() + 100*time.Millisecond + upTo(time.Second)
}
