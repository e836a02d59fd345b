package enrich

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// saying is a message of the participant n.
func saying(n int) events.Event {
	e := message(1)
	e.Refs.ParticipantSID = sid("MB", n)
	return e
}

// present answers every call with the participants.
func present(ns ...int) func(context.Context, int, question) ([]participants.Participant, error) {
	var all []participants.Participant
	for _, n := range ns {
		all = append(all, participants.Participant{ID: string(sid("MB", n))})
	}
	return func(context.Context, int, question) ([]participants.Participant, error) { return all, nil }
}

func TestARosterIsReusedForAsLongAsAllowed(t *testing.T) {
	for age, want := range map[time.Duration]int{0: 4, 10 * time.Second: 2, time.Minute: 1} {
		t.Run(age.String(), func(t *testing.T) {
			bubble(t, Config{MaxRosterAge: age}, func(b *bench) {
				b.api.answer = present(1)
				for i, pause := range []time.Duration{0, 10 * time.Second, time.Second, 0} {
					after(pause)
					b.handle(uint64(i+1), saying(1))
				}
				synctest.Wait()
				b.wantPublished("1", "2", "3", "4")
				b.wantCalls(want)
				for _, e := range b.published {
					if old := e.ReceivedAt.Sub(e.Roster.FetchedAt); old > age {
						b.t.Errorf("event %s: got a roster %v older than it, want at most %v", e.ID, old, age)
					}
				}
				b.wantMetric(fmt.Sprintf("rollcall_enrich_reused_answers_total %d", 4-want))
			})
		})
	}
}

func TestTheAgeIsThatWhenTheEventCame(t *testing.T) {
	bubble(t, Config{MaxRosterAge: 10 * time.Second}, func(b *bench) {
		b.api.answer = present(1)
		b.handle(1, saying(1))
		synctest.Wait()
		before := b.add(2, saying(1)) // another process has it
		after(5 * time.Second)
		b.handle(3, saying(1))
		after(time.Minute)
		b.Handle(before)
		after(time.Minute)
		b.wantPublished("1", "2", "3")
		b.wantCalls(2)
	})
}

func TestOnlyWhatIsSaidMayHaveAnOldRoster(t *testing.T) {
	refs := events.Refs{
		ConversationSID: sid("CH", 1), InteractionSID: sid("KD", 1), ChannelSID: sid("UO", 1),
		ConversationID: "conv_1", ParticipantIDs: []validation.V2ID{"p1"},
	}
	may := []string{"message", "delivery", "communication"}
	for _, kind := range events.Kinds() {
		if kind.Lookup == events.LookupNone {
			continue
		}
		t.Run(fmt.Sprintf("%s.%s.%s", kind.API, kind.Resource, kind.Action), func(t *testing.T) {
			bubble(t, Config{MaxRosterAge: time.Hour}, func(b *bench) {
				e := events.Event{API: kind.API, Resource: kind.Resource, Action: kind.Action, Account: account, Refs: refs}
				b.handle(1, e)
				after(time.Second)
				b.handle(2, e)
				synctest.Wait()
				want := 2
				if slices.Contains(may, kind.Resource) {
					want = 1
				}
				b.wantCalls(want)
				b.wantPublished("1", "2")
			})
		})
	}
}

func TestAnEventThatMayChangeTheRosterEndsIt(t *testing.T) {
	changes := map[string]struct {
		failure error
		calls   int
	}{
		"answered": {nil, 2},         // its own roster serves what follows
		"buried":   {status(400), 3}, // the one from before it must not
	}
	for name, tt := range changes {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{MaxRosterAge: time.Hour}, func(b *bench) {
				people := present(1)
				b.api.answer = func(ctx context.Context, n int, q question) ([]participants.Participant, error) {
					if n == 2 && tt.failure != nil {
						return nil, tt.failure
					}
					return people(ctx, n, q)
				}
				b.handle(1, saying(1))
				after(time.Second)
				people = present(1, 2)
				b.handle(2, as(message(1), "participant", "added"))
				after(time.Second)
				b.handle(3, message(1))
				synctest.Wait()
				b.wantCalls(tt.calls)
				last := b.published[len(b.published)-1]
				if last.ID != "event-3" || len(last.Roster.Participants) != 2 {
					b.t.Errorf("got %s with %d participants, want event-3 with both", last.ID, len(last.Roster.Participants))
				}
			})
		})
	}
}

func TestARosterWithoutTheAuthorIsTooOld(t *testing.T) {
	bubble(t, Config{MaxRosterAge: time.Hour}, func(b *bench) {
		b.api.answer = present(1)
		b.handle(1, saying(1))
		after(time.Second)
		b.api.answer = present(1, 2) // joined by a call to the API: no webhook
		b.handle(2, saying(2))
		after(time.Second)
		b.handle(3, saying(1))
		synctest.Wait()
		b.wantCalls(2)
		if got := len(b.published[1].Roster.Participants); got != 2 {
			b.t.Errorf("got %d participants for the message of the second, want 2", got)
		}
	})
}

func TestARefusalIsNotReused(t *testing.T) {
	bubble(t, Config{MaxRosterAge: time.Hour}, func(b *bench) {
		b.api.answer = failing(1, status(404))
		b.handle(1, message(1))
		after(time.Second)
		b.handle(2, message(1))
		synctest.Wait()
		b.wantLetter(events.ReasonNotFound, 1)
		b.wantPublished("2")
	})
}

func TestTheShelfIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShelf(time.Minute)
		crowd := make([]participants.Participant, 999)
		put := func(n int) {
			s.put(call{within: fmt.Sprint(n)}, &answer{verdict: verdictUse, began: time.Now(), participants: crowd})
		}
		for n := range 1000 {
			put(n)
		}
		if len(s.answers) != shelfMost/1000 || len(s.order) != len(s.answers) || s.weight != shelfMost {
			t.Errorf("got %d answers of weight %d, want %d", len(s.answers), s.weight, shelfMost/1000)
		}
		put(999) // in the place of what is there
		if len(s.answers) != shelfMost/1000-1 || s.weight != shelfMost {
			t.Errorf("got %d answers of weight %d, want one less and the same weight", len(s.answers), s.weight)
		}
		<-time.After(2 * time.Minute)
		put(1000)
		if len(s.answers) != 1 || len(s.order) != 1 || s.weight != 1000 {
			t.Errorf("got %d answers of weight %d when all others are too old, want 1", len(s.answers), s.weight)
		}
	})
}
