package enrich

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/participants"
)

// noted answers every call at once and returns when each was made, by user.
func (b *bench) noted() map[string][]time.Time {
	times := map[string][]time.Time{}
	b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
		b.api.mu.Lock()
		defer b.api.mu.Unlock()
		times[q.username] = append(times[q.username], time.Now())
		return nil, nil
	}
	return times
}

func TestAnAccountIsNotCalledMoreOftenThanAllowed(t *testing.T) {
	bubble(t, Config{MaxRate: 10}, func(b *bench) {
		times := b.noted()
		for n := range 100 {
			b.handle(uint64(n+1), message(n))
		}
		after(5*time.Second - time.Millisecond)
		b.wantCalls(50)
		after(5 * time.Second)
		b.wantCalls(100)
		for i, at := range times["first"][1:] {
			if gap := at.Sub(times["first"][i]); gap < 99*time.Millisecond {
				b.t.Fatalf("got call %d %v after the one before, want at least 100ms", i+2, gap)
			}
		}
	})
}

func TestEnrichersShareTheRateOfAnAccount(t *testing.T) {
	var enrichers atomic.Int32
	enrichers.Store(2)
	bubble(t, Config{MaxRate: 10, Enrichers: func() int { return int(enrichers.Load()) }}, func(b *bench) {
		b.noted()
		for n := range 200 {
			b.handle(uint64(n+1), message(n))
		}
		after(10*time.Second - time.Millisecond)
		b.wantCalls(50)
		enrichers.Store(1) // the other is gone
		after(10 * time.Second)
		b.wantCalls(150)
		enrichers.Store(5)
		after(10 * time.Second)
		b.wantCalls(170)
	})
}

func TestTheRateOfOneAccountDelaysNoOther(t *testing.T) {
	bubble(t, Config{MaxRate: 1, Concurrency: 2}, func(b *bench) {
		b.accounts.set(other, "other")
		for n := range 100 {
			b.handle(uint64(n+1), message(n))
		}
		after(500 * time.Millisecond)
		b.handle(1000, ofOther(message(1000)))
		synctest.Wait() // no time has passed
		if got := b.publishedIDs(); len(got) != 2 || got[1] != "1000" {
			b.t.Errorf("got %v published, want one of the account that waits and then 1000", got)
		}
	})
}

func TestWaitingForTheRateDoesNotMakeAHeadOverdue(t *testing.T) {
	bubble(t, Config{MaxRate: 0.01, HeadTimeout: time.Minute}, func(b *bench) {
		b.api.answer = failing(2, status(503))
		b.handle(1, message(1))
		b.handle(2, message(2))
		after(time.Hour)
		b.wantMetric(`rollcall_enrich_waiting_tasks 0`)
		if got := len(b.publishedIDs()); got != 2 {
			b.t.Errorf("got %d events and %d letters, want both events: what keeps them is our own setting", got, len(b.letters))
		}
	})
}

func TestRetryAfterPausesTheWholeAccount(t *testing.T) {
	bubble(t, Config{HeadTimeout: time.Minute}, func(b *bench) {
		b.accounts.set(other, "other")
		b.api.answer = failing(1, &participants.Error{Failure: participants.FailureStatus, Status: 429, RetryAfter: 2 * time.Minute})
		b.handle(1, message(1))
		synctest.Wait()
		b.handle(2, message(2))
		b.handle(3, ofOther(message(3)))
		after(2*time.Minute - time.Millisecond)
		b.wantPublished("3")
		b.wantCalls(2)
		b.wantMetric(`rollcall_enrich_paused_accounts 1`)
		after(13 * time.Second) // a tenth by chance
		b.wantCalls(4)
		b.wantMetric(`rollcall_enrich_paused_accounts 0`)
		if len(b.letters) != 0 {
			b.t.Errorf("got letters %+v, want none: Twilio asked us to wait", b.letters)
		}
	})
}

func TestAPauseHoldsBackThoseWhoWaitForAPlace(t *testing.T) {
	bubble(t, Config{Concurrency: 1}, func(b *bench) {
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return nil, &participants.Error{Failure: participants.FailureStatus, Status: 429, RetryAfter: time.Minute}
		}
		for n := range 10 {
			b.handle(uint64(n+1), message(n))
		}
		after(30 * time.Second)
		b.wantCalls(1)
	})
}

// Those who find the account held when it is their turn make no call, and the rate is not spent by them.
func TestACallThatIsNotMadeCostsNothingOfTheRate(t *testing.T) {
	bubble(t, Config{MaxRate: 0.1}, func(b *bench) {
		const n = 10
		var times []time.Time
		b.api.answer = func(_ context.Context, i int, _ question) ([]participants.Participant, error) {
			b.api.mu.Lock()
			times = append(times, time.Now())
			b.api.mu.Unlock()
			if i == 1 {
				<-time.After(time.Second)
				return nil, status(401)
			}
			return nil, nil
		}
		for i := range n {
			b.handle(uint64(i+1), message(i))
		}
		after(5 * time.Second)
		b.accounts.set(account, "second")
		after(n * 10 * time.Second)
		b.wantCalls(1 + n)
		if got := len(b.publishedIDs()); got != n {
			b.t.Errorf("got %d published, want %d", got, n)
		}
		for i, at := range times[1:] {
			if gap := at.Sub(times[i]); gap < 9*time.Second {
				b.t.Errorf("got call %d %v after the one before, want 10s", i+2, gap)
			}
		}
	})
}

func TestAPauseEndsWithItsContextAndIsNeverShortened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPace(0)
		p.pause(time.Minute)
		p.pause(time.Second)
		if got := p.paused(); got != time.Minute || p.isFresh() {
			t.Errorf("got paused for %v, or as a new one, want a minute", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.rest(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		began := time.Now()
		if err := p.rest(t.Context()); err != nil || time.Since(began) < 59*time.Second {
			t.Errorf("got %v after %v, want nil after the rest of the minute", err, time.Since(began))
		}
	})
}
