package enrich

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

func TestAnOutageLongerThanTheHeadTimeoutBurnsNothing(t *testing.T) {
	refused := &participants.Error{Failure: participants.FailureTransport, Err: errors.New("connection refused")}
	tests := map[string]struct {
		conversations int
		failure       error
	}{
		"cannot be reached":                  {1, refused},
		"503, too few calls for the breaker": {2, status(503)},
		"503, enough calls for the breaker":  {50, status(503)},
		"away, with enough for the breaker":  {50, refused},
		"timeouts, too few for the breaker":  {2, &participants.Error{Failure: participants.FailureTransport, Err: context.DeadlineExceeded}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{HeadTimeout: 2 * time.Minute}, func(b *bench) {
				well := time.Now().Add(20 * time.Minute)
				b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
					if time.Now().Before(well) {
						return nil, tt.failure
					}
					return nil, nil
				}
				for i := range tt.conversations {
					b.handle(uint64(i+1), message(i))
				}
				after(22 * time.Minute)
				if got := len(b.publishedIDs()); got != tt.conversations || len(b.letters) != 0 {
					b.t.Errorf("got %d events and %d letters after the outage, want %d and none", got, len(b.letters), tt.conversations)
				}
			})
		})
	}
}

func TestAHeadIsOverdueWhileOthersAreAnswered(t *testing.T) {
	bubble(t, Config{HeadTimeout: 2 * time.Minute}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.within == string(sid("CH", 1)) || q.within == string(sid("CH", 2)) {
				return nil, status(503)
			}
			return nil, nil
		}
		b.handle(1, message(1))
		b.handle(2, message(2))
		for n := range 300 {
			b.handle(uint64(n+10), message(n+10))
			after(time.Second)
		}
		if len(b.letters) != 2 || b.letters[0].Reason != events.ReasonOverdue {
			b.t.Errorf("got letters %+v, want both that Twilio cannot answer for overdue", b.letters)
		}
	})
}

// Two conversations that Twilio never answers for look like an outage of the host when nothing else is asked.
func TestAnOutageLastsNoLongerThanTheOperatorWaitsForItsEnd(t *testing.T) {
	for name, tt := range map[string]struct {
		limit   time.Duration
		failing int // of 20 conversations; the others come too late to tell
		letters int
	}{
		"without limit":          {0, 2, 0},
		"few fail":               {time.Hour, 2, 2},
		"enough for the breaker": {time.Hour, 20, 20},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{HeadTimeout: 2 * time.Minute, OutageTimeout: tt.limit}, func(b *bench) {
				b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) { return nil, status(503) }
				for n := range tt.failing {
					b.handle(uint64(n+1), message(n))
				}
				after(59 * time.Minute)
				if got := len(b.letters); got != 0 {
					b.t.Errorf("got %d letters within the hour, want none", got)
				}
				b.wantMetric("rollcall_enrich_oldest_head_seconds 3540")
				after(3 * time.Hour)
				if got := len(b.letters); got != tt.letters {
					b.t.Errorf("got %d letters, want %d", got, tt.letters)
				}
				for _, d := range b.letters {
					if d.Reason != events.ReasonOverdue {
						b.t.Errorf("got a letter for the reason %q, want overdue", d.Reason)
					}
				}
			})
		})
	}
}

func TestTheTimeAfterAnOutageCounts(t *testing.T) {
	bubble(t, Config{HeadTimeout: 2 * time.Minute}, func(b *bench) {
		well := time.Now().Add(time.Hour)
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if time.Now().Before(well) || q.within == string(sid("CH", 1)) {
				return nil, status(503)
			}
			return nil, nil
		}
		b.handle(1, message(1))
		b.handle(2, message(2))
		after(time.Hour + 10*time.Minute)
		b.wantPublished("2")
		b.bubbleLetter(events.ReasonOverdue)
	})
}

func TestRetryAfterOfAnUnwellHostIsHonoured(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = failing(1, &participants.Error{Failure: participants.FailureStatus, Status: 503, RetryAfter: 20 * time.Second})
		b.handle(1, message(1))
		after(20 * time.Second)
		b.wantCalls(1)
		b.handle(2, message(2)) // it is no word about the account
		after(2 * time.Second)
		b.wantCalls(3)
		b.wantPublished("2", "1")
	})
}

func TestAnAnswerEndsAnOutageUnlessTheBreakerIsOpen(t *testing.T) {
	h := newHealth(hostFlex, slog.New(slog.DiscardHandler))
	h.failedFor("one", false)
	if !h.outage() {
		t.Error("got no outage of a host that cannot be reached")
	}
	h.answered()
	if h.outage() {
		t.Error("got an outage after an answer, want none")
	}
	for range breakerCalls {
		h.failedFor("one", true)
	}
	if !h.outage() || len(h.failed) != 1 {
		t.Errorf("got no outage while the breaker is open, or %d conversations, want an outage with 1", len(h.failed))
	}
}

func TestAnOpenBreakerRefusesBeforeTheRateIsSpent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		accounts := &ledger{cred: map[validation.SID]participants.Credentials{}}
		accounts.set(account, "first")
		g := newGate(Config{Concurrency: 1, MaxRate: 0.001, ProbeEvery: time.Minute}, accounts, slog.New(slog.DiscardHandler))
		c := call{lookup: events.LookupConversation, account: account, within: "one"}
		for range breakerCalls {
			g.hostOf(c).failedFor("one", true)
		}
		for range 3 {
			if _, waited, err := g.enter(t.Context(), c); !errors.Is(err, errHostUnwell) || waited != 0 {
				t.Errorf("got %v after %v, want %v at once", err, waited, errHostUnwell)
			}
		}
	})
}
