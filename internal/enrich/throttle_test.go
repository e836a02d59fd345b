package enrich

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

func TestThrottleCutsOncePerRoundAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(64)
		began := time.Now()
		<-time.After(time.Second)
		for range 10 {
			th.slower(began) // ten calls of one round
		}
		if got := int(th.limit); got != 44 {
			t.Errorf("got limit %d after one round, want 44", got)
		}
		for range 50 {
			<-time.After(time.Second)
			th.slower(time.Now())
		}
		if got := int(th.limit); got != 1 {
			t.Errorf("got limit %d after many rounds, want 1: never none", got)
		}
		for range 64 * 64 {
			th.faster()
		}
		if th.limit != 64 {
			t.Errorf("got limit %v after many good calls, want 64 again", th.limit)
		}
	})
}

func TestThrottleIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(1)
		if err := th.acquire(t.Context()); err != nil {
			t.Fatal(err)
		}
		served := make(chan int, 3)
		impatient, cancel := context.WithCancel(t.Context())
		for i := range 3 {
			ctx := t.Context()
			if i == 1 {
				ctx = impatient
			}
			go func() {
				if th.acquire(ctx) == nil {
					served <- i
					th.release()
				}
			}()
			synctest.Wait()
		}
		cancel()
		synctest.Wait()
		th.release()
		synctest.Wait()
		if a, b := <-served, <-served; a != 0 || b != 2 {
			t.Errorf("got %d then %d, want 0 then 2", a, b)
		}
		if th.used != 0 || len(th.queue) != 0 {
			t.Errorf("got %d in use and %d queued at the end, want none", th.used, len(th.queue))
		}
	})
}

func TestThrottlePassesOnAPlaceThatComesTooLate(t *testing.T) {
	th := newThrottle(1)
	if err := th.acquire(t.Context()); err != nil {
		t.Fatal(err)
	}
	late, next := make(chan struct{}), make(chan struct{})
	th.queue = append(th.queue, late, next)
	th.release()
	th.abandon(late) // its caller's context ended just then
	select {
	case <-next:
	default:
		t.Error("got the place lost, want it passed on")
	}
	if th.used != 1 {
		t.Errorf("got %d in use, want 1", th.used)
	}
}

func TestA429SaysNothingAboutTheEvent(t *testing.T) {
	bubble(t, Config{HeadTimeout: 2 * time.Minute}, func(b *bench) {
		content := time.Now().Add(time.Hour)
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			if time.Now().Before(content) {
				return nil, status(429) // without Retry-After
			}
			return nil, nil
		}
		b.handle(1, message(1))
		after(time.Hour + 2*time.Minute)
		if len(b.letters) != 0 {
			b.t.Errorf("got letters %+v, want none", b.letters)
		}
		b.wantPublished("1")
	})
}

func TestThe429sOfAnEventDoNotExcuseWhatElseFailsForIt(t *testing.T) {
	bubble(t, Config{HeadTimeout: 2 * time.Minute}, func(b *bench) {
		b.api.answer = func(_ context.Context, n int, _ question) ([]participants.Participant, error) {
			if n%2 == 0 {
				return nil, status(429)
			}
			return nil, status(503)
		}
		b.handle(1, message(1))
		after(time.Hour)
		b.bubbleLetter(events.ReasonOverdue)
	})
}

func TestConcurrencyShrinksUnder429UntilTwilioIsContent(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		const most = 5
		running, refused := 0, 0
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			b.api.mu.Lock()
			defer b.api.mu.Unlock()
			if running >= most {
				refused++
				return nil, status(429)
			}
			running++
			b.api.mu.Unlock()
			<-time.After(100 * time.Millisecond)
			b.api.mu.Lock()
			running--
			return nil, nil
		}
		for n := range 500 {
			b.handle(uint64(n+1), message(n))
		}
		after(time.Minute)
		if got := len(b.publishedIDs()); got != 500 {
			b.t.Errorf("got %d events, want 500", got)
		}
		if refused > 500 {
			b.t.Errorf("got %d calls refused for 500 that were not, want fewer", refused)
		}
		b.t.Logf("%d calls refused for 500 events", refused)
	})
}
