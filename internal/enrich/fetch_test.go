package enrich

import (
	"cmp"
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

func TestEveryKindIsLookedUpAsItsRowSays(t *testing.T) {
	refs := events.Refs{
		ConversationSID: sid("CH", 1), ChatServiceSID: service, InteractionSID: sid("KD", 1), ChannelSID: sid("UO", 1),
		ConversationID: "conv_1", ParticipantIDs: []validation.V2ID{"p1", "p2"}, UserSID: sid("US", 1),
	}
	want := map[events.Lookup][]question{
		events.LookupNone:         nil,
		events.LookupConversation: {{events.LookupConversation, "first", string(sid("CH", 1)), "", service}},
		events.LookupChannel:      {{events.LookupChannel, "first", string(sid("KD", 1)), string(sid("UO", 1)), ""}},
		events.LookupV2:           {{events.LookupV2, "first", "conv_1", "", ""}},
		events.LookupParticipants: {
			{events.LookupParticipants, "first", "conv_1", "p1", ""},
			{events.LookupParticipants, "first", "conv_1", "p2", ""},
		},
	}
	for _, kind := range events.Kinds() {
		t.Run(fmt.Sprintf("%s.%s.%s", kind.API, kind.Resource, kind.Action), func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				b.handle(1, events.Event{API: kind.API, Resource: kind.Resource, Action: kind.Action, Account: account, Refs: refs})
				synctest.Wait()
				slices.SortFunc(b.api.calls, func(x, y question) int { return cmp.Compare(x.id, y.id) }) // they are made side by side
				if !slices.Equal(b.api.calls, want[kind.Lookup]) {
					b.t.Errorf("got calls %v, want %v", b.api.calls, want[kind.Lookup])
				}
				if len(b.published) != 1 {
					b.t.Fatalf("got %d events, want 1", len(b.published))
				}
				wantRoster(b.t, b.published[0].Roster, kind.Lookup, len(want[kind.Lookup]))
			})
		})
	}
}

func wantRoster(t *testing.T, r events.Roster, lookup events.Lookup, people int) {
	t.Helper()
	wantStatus := events.RosterResolved
	if lookup == events.LookupNone {
		wantStatus = events.RosterNotNeeded
	}
	if r.Status != wantStatus || r.Lookup != lookup || r.Participants == nil || len(r.Participants) != people {
		t.Errorf("got roster %+v, want %s with %d participants, never null", r, wantStatus, people)
	}
	if r.FetchedAt.IsZero() != (lookup == events.LookupNone) {
		t.Errorf("got fetched at %v for lookup %s", r.FetchedAt, lookup)
	}
}

func TestEveryLookupsIdentifiersAreRequired(t *testing.T) {
	needs := map[events.Lookup][]string{
		events.LookupConversation: {"conversation_sid"},
		events.LookupChannel:      {"interaction_sid", "channel_sid"},
		events.LookupV2:           {"conversation_id"},
		events.LookupParticipants: {"conversation_id"},
	}
	for _, kind := range events.Kinds() {
		for _, field := range needs[kind.Lookup] {
			if !slices.Contains(kind.Requires, field) {
				t.Errorf("%s.%s.%s: got no %s among %v, want all that its lookup needs", kind.API, kind.Resource, kind.Action, field, kind.Requires)
			}
		}
	}
}

func TestABurstSharesOneCall(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return []participants.Participant{{ID: "MB1"}}, nil
		}
		var want []string
		b.handle(1, message(1))
		synctest.Wait() // its fetch has begun
		for seq := uint64(2); seq <= 50; seq++ {
			b.handle(seq, message(1))
		}
		for seq := 1; seq <= 50; seq++ {
			want = append(want, fmt.Sprint(seq))
		}
		after(time.Second)
		b.wantPublished("1")
		after(time.Second)
		b.wantPublished(want...)
		b.wantCalls(2)
		b.wantMetric("rollcall_enrich_coalesced_events_total 48")
		for _, e := range b.published {
			if e.Roster.FetchedAt.Before(e.ReceivedAt) {
				b.t.Errorf("event %s: got fetched at %v, want not before it was received at %v", e.ID, e.Roster.FetchedAt, e.ReceivedAt)
			}
		}
	})
}

func TestAnEventIsNeverServedByAFetchThatBeganBeforeIt(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		people := []participants.Participant{{ID: "MB1"}}
		b.api.answer = func(context.Context, int, question) ([]participants.Participant, error) {
			seen := slices.Clone(people) // Twilio reads, then the answer takes its time
			<-time.After(time.Second)
			return seen, nil
		}
		b.handle(1, message(1))
		synctest.Wait()
		people = append(people, participants.Participant{ID: "MB2"})
		b.handle(2, as(message(1), "participant", "added"))
		after(time.Minute)
		if got := len(b.published[1].Roster.Participants); got != 2 {
			b.t.Errorf("got %d participants for the event of the second one, want 2", got)
		}
	})
}

func TestTheServiceIsThatOfAnyEventThatWaits(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		named := message(1)
		named.Refs.ChatServiceSID = service
		held := b.add(1, message(1))
		b.Handle(b.add(2, named))
		b.Handle(b.add(3, message(1)))
		b.Handle(held)
		synctest.Wait()
		b.wantCalls(1)
		if got := b.api.calls[0].service; got != service {
			b.t.Errorf("got service %q, want %q", got, service)
		}
	})
}

func TestV2ParticipantsAreSharedByID(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			return []participants.Participant{{ID: q.id}}, nil
		}
		first := b.add(1, communication("a", "b"))
		b.Handle(b.add(2, communication("b", "c")))
		b.Handle(b.add(3, communication("a", "c")))
		b.Handle(first)
		synctest.Wait()
		b.wantPublished("1", "2", "3")
		b.wantCalls(3)
		for i, want := range [][]string{{"a", "b"}, {"b", "c"}, {"a", "c"}} {
			var got []string
			for _, p := range b.published[i].Roster.Participants {
				got = append(got, p.ID)
			}
			if !slices.Equal(got, want) {
				b.t.Errorf("event %d: got %v, want %v", i+1, got, want)
			}
		}
	})
}

func TestTheParticipantsOfAnEventAreFetchedSideBySide(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return []participants.Participant{{ID: q.id}}, nil
		}
		b.handle(1, communication("a", "b", "c", "d", "e", "f", "g", "h", "i"))
		after(time.Second)
		b.wantCalls(9)
		b.wantPublished()
		after(time.Second)
		b.wantPublished("1")
		for i, p := range b.published[0].Roster.Participants {
			if want := string(rune('a' + i)); p.ID != want {
				b.t.Errorf("participant %d: got %s, want %s: the order in which the event names them", i, p.ID, want)
			}
		}
	})
}

func TestCallsThatFailSideBySideAreOneTry(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, n int, q question) ([]participants.Participant, error) {
			switch {
			case n <= 6:
				return nil, &participants.Error{Failure: participants.FailureContract}
			case n <= 12:
				return nil, status(503)
			}
			return []participants.Participant{{ID: q.id}}, nil
		}
		b.handle(1, communication("a", "b", "c", "d", "e", "f"))
		after(spreadFirst + 2*backoffFirst + time.Millisecond)
		b.wantCalls(18)
		b.wantPublished("1")
	})
}

func TestARosterIsAsOldAsItsOldestAnswer(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			<-time.After(time.Second)
			return []participants.Participant{{ID: q.id}}, nil
		}
		first := b.add(1, communication("a", "b"))
		b.Handle(b.add(2, communication("c", "a")))
		b.Handle(first)
		after(time.Minute)
		b.wantCalls(3)
		if one, two := b.published[0].Roster.FetchedAt, b.published[1].Roster.FetchedAt; !two.Equal(one) {
			t.Errorf("got fetched at %v, want %v: when a was fetched for both", two, one)
		}
	})
}

func TestOneFailureAfterManyCallsIsTriedAgainSoon(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = func(_ context.Context, n int, q question) ([]participants.Participant, error) {
			if n == 10 {
				return nil, status(503)
			}
			return []participants.Participant{{ID: q.id}}, nil
		}
		b.handle(1, communication("a", "b", "c", "d", "e", "f", "g", "h", "i", "j"))
		after(backoffFirst + time.Millisecond)
		b.wantPublished("1")
	})
}

func TestACommunicationThatNamesNobodyNeedsNoCall(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.handle(1, communication())
		synctest.Wait()
		b.wantCalls(0)
		if got := b.published[0].Roster.Status; got != events.RosterNotNeeded {
			b.t.Errorf("got %s, want %s", got, events.RosterNotNeeded)
		}
	})
}

func TestWhoIsGone(t *testing.T) {
	absent := func(ids ...string) func(context.Context, int, question) ([]participants.Participant, error) {
		return func(_ context.Context, _ int, q question) ([]participants.Participant, error) {
			if slices.Contains(ids, q.id) {
				return nil, status(404)
			}
			return []participants.Participant{{ID: q.id}}, nil
		}
	}
	tests := map[string]struct {
		event  events.Event
		absent []string
		status events.RosterStatus // "" when it is buried
		people int
		gone   []validation.V2ID
	}{
		"v1 removal":          {as(message(1), "conversation", "removed"), []string{""}, events.RosterGone, 0, nil},
		"v1 removal, known":   {as(message(1), "participant", "removed"), nil, events.RosterResolved, 1, nil},
		"v1 message":          {message(1), []string{""}, "", 0, nil},
		"one of two":          {communication("a", "b"), []string{"b"}, events.RosterResolved, 1, []validation.V2ID{"b"}},
		"all of a message":    {communication("a", "b"), []string{"a", "b"}, "", 0, nil},
		"v2 removal":          {as(communication("a"), "participant", "removed"), []string{"a"}, events.RosterGone, 0, []validation.V2ID{"a"}},
		"v2 update of absent": {as(communication("a"), "participant", "updated"), []string{"a"}, "", 0, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			bubble(t, Config{}, func(b *bench) {
				b.api.answer = absent(tt.absent...)
				b.handle(1, tt.event)
				synctest.Wait()
				if tt.status == "" {
					b.wantLetter(events.ReasonNotFound, len(tt.absent))
					return
				}
				r := b.published[0].Roster
				if r.Status != tt.status || len(r.Participants) != tt.people || !slices.Equal(r.Gone, tt.gone) || r.FetchedAt.IsZero() {
					b.t.Errorf("got %+v, want %s with %d participants and %v gone", r, tt.status, tt.people, tt.gone)
				}
			})
		})
	}
}

func TestA404IsJudgedByEachEventThatSharesIt(t *testing.T) {
	bubble(t, Config{}, func(b *bench) {
		b.api.answer = failing(9, status(404))
		first := b.add(1, message(1))
		b.Handle(b.add(2, as(message(1), "conversation", "removed")))
		b.Handle(first)
		synctest.Wait()
		b.wantLetter(events.ReasonNotFound, 1)
		b.wantPublished("2")
		b.wantCalls(1)
	})
}
