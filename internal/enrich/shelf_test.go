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

// minuteShelf returns a shelf for answers of the last minute, and how to put an answer of the given weight to the call n there.
func minuteShelf() (s *shelf, put func(n, weight int)) {
	s = newShelf(time.Minute)
	return s, func(n, weight int) {
		s.put(call{within: fmt.Sprint(n)}, &answer{verdict: verdictUse, began: time.Now(), participants: make([]participants.Participant, weight-1)})
	}
}

func (s *shelf) has(n int) bool {
	e := message(1)
	return s.find(call{within: fmt.Sprint(n)}, &e, time.Now()) != nil
}

func (s *shelf) wantHeld(t *testing.T, answers, weight int) {
	t.Helper()
	if len(s.entries) != answers || s.order.Len() != answers || s.weight != weight {
		t.Errorf("got %d answers, %d in order, of weight %d, want %d of weight %d", len(s.entries), s.order.Len(), s.weight, answers, weight)
	}
}

func TestTheShelfIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, put := minuteShelf()
		const most = shelfMost / 1000
		for n := range 10 * most {
			put(n, 1000)
		}
		s.wantHeld(t, most, shelfMost)
		put(10*most, 1)
		s.wantHeld(t, most, shelfMost-999)
		<-time.After(2 * time.Minute)
		put(0, 1000) // all others are too old
		s.wantHeld(t, 1, 1000)
	})
}

// One busy conversation is one answer, however often it is fetched.
func TestARosterTakesThePlaceOfTheOneBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, put := minuteShelf()
		put(1, 2)
		for range shelfMost {
			put(2, 2)
		}
		s.wantHeld(t, 2, 4)
		put(2, 1000)
		s.wantHeld(t, 2, 1002)
		if !s.has(1) {
			t.Error("got the answer to another call crowded off, want it kept")
		}
	})
}

func TestWhatWasUsedLongestAgoGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, put := minuteShelf()
		const most = shelfMost / 1000
		for n := range most {
			put(n, 1000)
		}
		put(1, 1000) // anew
		if !s.has(0) {
			t.Fatal("got nothing, want the first answer")
		}
		put(most, 1000)
		for n, want := range map[int]bool{0: true, 1: true, 2: false, 3: true, most: true} {
			if got := s.has(n); got != want {
				t.Errorf("answer %d: got held %v, want %v", n, got, want)
			}
		}
	})
}

func TestWhatAnEventMayChangeWeighsNothing(t *testing.T) {
	s, put := minuteShelf()
	put(1, 1000)
	joined := as(message(1), "participant", "added")
	if a := s.find(call{within: "1"}, &joined, time.Now()); a != nil {
		t.Errorf("got %+v, want nothing", a)
	}
	s.wantHeld(t, 0, 0)
}

// BenchmarkShelf measures what it costs to keep the roster of a conversation, beside those of as many others as there is room for.
func BenchmarkShelf(b *testing.B) {
	for name, conversations := range map[string]int{"one conversation": 1, "as many as fit": shelfMost / 10, "twice as many": shelfMost / 5} {
		b.Run(name, func(b *testing.B) {
			s := newShelf(time.Hour)
			people := make([]participants.Participant, 9)
			calls := make([]call, conversations)
			for n := range calls {
				calls[n] = call{within: fmt.Sprint(n)}
				s.put(calls[n], &answer{verdict: verdictUse, began: time.Now(), participants: people})
			}
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				s.put(calls[n%conversations], &answer{verdict: verdictUse, began: time.Now(), participants: people})
			}
		})
	}
}
