package enrich

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

const other = validation.SID("AC00000000000000000000000000000002")

// onlyFor answers those who call as one of the users, and refuses all others with code.
func onlyFor(code int, users ...string) func(context.Context, int, question) ([]participants.Participant, error) {
	return func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
		if slices.Contains(users, q.username) {
			return nil, nil
		}
		return nil, status(code)
	}
}

// ofOther is e in the other account.
func ofOther(e events.Event) events.Event {
	e.Account = other
	return e
}

func (b *bench) wantReady(parts ...string) {
	b.t.Helper()
	err := b.Ready(b.t.Context())
	if len(parts) == 0 {
		if err != nil {
			b.t.Errorf("got not ready: %v, want ready", err)
		}
		return
	}
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			b.t.Errorf("got %v, want %q in it", err, part)
		}
	}
}

func TestRefusedCredentialsHoldTheAccountAlone(t *testing.T) {
	for _, code := range []int{401, 403} {
		bubble(t, Config{HeadTimeout: time.Minute}, func(b *bench) {
			b.accounts.set(other, "other")
			b.api.answer = onlyFor(code, "other", "fixed")
			for n := range 20 {
				b.handle(uint64(n+1), message(n), message(n))
			}
			synctest.Wait()
			b.wantReady(string(account), "conversations")
			first := b.api.count()
			b.handle(100, ofOther(message(100)))
			synctest.Wait()
			b.wantPublished("100")

			after(time.Hour)
			b.wantReady(string(account))
			b.wantMetric(`rollcall_enrich_held_accounts{api="conversations"} 1`)
			if got := b.api.count() - first - 1; got < 100 || got > 120 {
				b.t.Errorf("got %d calls in an hour of being held, want about one every 30 s", got)
			}
			if len(b.letters) != 0 {
				b.t.Errorf("got %d events burnt, want none: the head's time does not run while held", len(b.letters))
			}

			b.accounts.set(account, "fixed")
			after(2 * time.Second) // well before the next slow try
			b.wantReady()
			if got := len(b.publishedIDs()); got != 41 {
				b.t.Errorf("got %d events after the credentials were put right, want 41", got)
			}
			if strings.Count(b.logged.String(), "account held") != 1 {
				b.t.Errorf("got log %s, want one line for the hold", b.logged)
			}
		})
	}
}

func TestTwilioTakesTheSameCredentialsAgain(t *testing.T) {
	bubble(t, Config{ProbeEvery: 10 * time.Second}, func(b *bench) {
		well := time.Now().Add(5 * time.Second)
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			if time.Now().Before(well) {
				return nil, status(401)
			}
			return nil, nil
		}
		b.handle(1, message(1))
		after(5 * time.Second)
		b.wantCalls(1)
		after(10 * time.Second)
		b.wantCalls(2)
		b.wantPublished("1")
		b.wantReady()
	})
}

func TestAnAccountWithoutCredentialsIsHeld(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.handle(1, ofOther(message(1)), ofOther(message(1)))
		after(time.Hour)
		b.wantCalls(0)
		b.wantReady(string(other), "no credentials")
		b.accounts.set(other, "other")
		after(2 * time.Second)
		b.wantPublished("1", "2")
		b.wantReady()
	})
}

func TestAnAccountIsHeldOnOneAPIAlone(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if q.lookup != events.LookupConversation {
				return nil, status(403) // a restricted key
			}
			return nil, nil
		}
		b.handle(1, events.Event{
			API: participants.Flex, Resource: "channel", Action: "created", Account: account,
			Refs: events.Refs{InteractionSID: sid("KD", 1), ChannelSID: sid("UO", 1)},
		})
		b.handle(2, communication("a"))
		synctest.Wait()
		b.handle(3, message(1))
		synctest.Wait()
		b.wantPublished("3")
		b.wantReady("flex", "orchestrator")
	})
}

func TestAHoldThatNobodyWaitsForIsForgotten(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = onlyFor(401)
		refused, unknown := b.add(1, message(1)), b.add(2, ofOther(message(2)))
		b.Handle(refused)
		b.Handle(unknown)
		after(time.Second)
		b.wantReady(string(account), string(other))
		b.mu().Lock()
		refused.done() // another process, which has the right credentials, did it
		unknown.done()
		b.mu().Unlock()
		after(2 * time.Minute)
		b.wantReady()
		b.wantMetric(`rollcall_enrich_waiting_tasks 0`)
	})
}

func TestStopWhileHeldReleasesAll(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = onlyFor(401)
		b.handle(1, message(1), message(1), message(2))
		after(time.Second)
		began := time.Now()
		b.stop()
		if len(b.released) != 3 || time.Since(began) > time.Second {
			b.t.Errorf("got %v released after %v, want all three at once", b.released, time.Since(began))
		}
	})
}

func TestTheTimeOfBeingHeldDoesNotCount(t *testing.T) {
	bubble(t, Config{HeadTimeout: time.Minute}, func(b *bench) {
		fixed, well := time.Now().Add(time.Hour), time.Now().Add(time.Hour+20*time.Second)
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			switch now := time.Now(); {
			case now.Before(fixed):
				return nil, status(401)
			case now.Before(well):
				return nil, status(503)
			}
			return nil, nil
		}
		b.handle(1, message(1))
		after(2 * time.Hour)
		b.wantPublished("1")
	})
}

func TestAHoldStopsThoseWhoWaitForAPlace(t *testing.T) {
	bubble(t, Config{Concurrency: 1}, func(b *bench) {
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return nil, status(401)
		}
		for n := range 10 {
			b.handle(uint64(n+1), message(n))
		}
		after(20 * time.Second)
		b.wantCalls(1)
	})
}

func TestARefusalOfOldCredentialsDoesNotHoldTheNewOnes(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			if q.username == "first" {
				return nil, status(401)
			}
			return nil, nil
		}
		b.handle(1, message(1))
		synctest.Wait() // the call is under way
		b.accounts.set(account, "second")
		after(2 * time.Second)
		b.wantPublished("1")
		if strings.Contains(b.logged.String(), "held") {
			t.Errorf("got log %s, want no hold", b.logged)
		}
	})
}
