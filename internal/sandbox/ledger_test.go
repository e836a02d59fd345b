package sandbox

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/participants"
)

// told is a run: what was sent, and what is found in the streams.
type told struct {
	t *testing.T
	*Ledger
}

func (r told) event(id string) events.Event {
	return events.Event{
		ID: id, API: participants.Conversations, Resource: "message", Action: "added", Name: "onMessageAdded", Feed: events.FeedConversations,
		Account:    SID("AC", "ledger"),
		Refs:       events.Refs{ConversationSID: SID("CH", "ledger"), MessageSID: SID("IM", id)},
		ReceivedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Payload: []byte("{}"),
	}
}

func (r told) sent(id string, status int) { r.Sending(Webhook{IDs: []string{id}})(status) }

func (r told) raw(ids ...string) {
	for _, id := range ids {
		b, err := events.EncodeRaw(r.event(id))
		r.store(events.StageRaw, b, err)
	}
}

func (r told) enriched(ids ...string) {
	for _, id := range ids {
		r.fetched(id, time.Second)
	}
}

// fetched stores an event with a roster that was fetched so long after it was received.
func (r told) fetched(id string, after time.Duration) {
	e := r.event(id)
	b, err := events.EncodeEnriched(events.Enriched{Event: e, Roster: events.Roster{
		Status: events.RosterResolved, Lookup: events.LookupConversation, FetchedAt: e.ReceivedAt.Add(after), Participants: []participants.Participant{},
	}})
	r.store(events.StageEnriched, b, err)
}

func (r told) dead(id string) {
	e := r.event(id)
	b, err := events.EncodeDead(events.DeadLetter{ID: id, Reason: events.ReasonNotFound, FailedAt: e.ReceivedAt, Event: &e, Feed: e.Feed, Account: e.Account})
	r.store(events.StageDead, b, err)
}

func (r told) store(stage events.Stage, b []byte, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	r.Stored(stage, b)
}

func TestLedgerJudges(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(r told)
		want Verdict // its faults
	}{
		"nothing": {func(told) {}, Verdict{}},
		"all as it must be": {func(r told) {
			r.sent("a", 200)
			r.sent("b", 200)
			r.sent("forged", 403)
			r.sent("c", 200)
			r.raw("a", "b", "c")
			r.enriched("a", "c")
			r.dead("b")
		}, Verdict{}},
		"lost":                                 {func(r told) { r.sent("a", 200); r.raw("a") }, Verdict{Lost: 1}},
		"not stored and said so":               {func(r told) { r.sent("a", 503) }, Verdict{}},
		"not answered, and stored":             {func(r told) { r.sent("a", 0); r.raw("a"); r.enriched("a") }, Verdict{}},
		"not answered, and stored twice":       {func(r told) { r.sent("a", 0); r.raw("a"); r.enriched("a", "a") }, Verdict{Twice: 1}},
		"sent again until it was answered":     {func(r told) { r.sent("a", 0); r.sent("a", 200); r.raw("a"); r.enriched("a") }, Verdict{}},
		"an unanswered try does not excuse it": {func(r told) { r.sent("a", 0); r.sent("a", 200) }, Verdict{Lost: 1}},
		"twice enriched":                       {func(r told) { r.sent("a", 200); r.enriched("a", "a", "a") }, Verdict{Twice: 1}},
		"enriched and dead":                    {func(r told) { r.sent("a", 200); r.enriched("a"); r.dead("a") }, Verdict{Twice: 1}},
		"a forged one enriched":                {func(r told) { r.sent("a", 403); r.enriched("a") }, Verdict{Refused: 1}},
		"a forged one kept raw":                {func(r told) { r.sent("a", 403); r.raw("a") }, Verdict{Refused: 1}},
		"a forged one dead":                    {func(r told) { r.sent("a", 413); r.dead("a") }, Verdict{Refused: 1}},
		"an old roster":                        {func(r told) { r.sent("a", 200); r.fetched("a", -time.Nanosecond) }, Verdict{Stale: 1}},
		"never sent":                           {func(r told) { r.enriched("a") }, Verdict{Strange: 1}},
		"no event":                             {func(r told) { r.Stored(events.StageEnriched, []byte("{")) }, Verdict{Strange: 1}},
		"against the order of RAW": {func(r told) {
			first, second := r.Sending(Webhook{IDs: []string{"a"}}), r.Sending(Webhook{IDs: []string{"b"}})
			second(200)
			first(200)
			r.raw("b", "a")
			r.enriched("a", "b")
		}, Verdict{OutOfOrder: 1}},
		"side by side, as RAW has it": {func(r told) {
			first, second := r.Sending(Webhook{IDs: []string{"a"}}), r.Sending(Webhook{IDs: []string{"b"}})
			first(200)
			second(200)
			r.raw("b", "a")
			r.enriched("b", "a")
		}, Verdict{}},
		"one after the other, turned around before RAW": {func(r told) {
			r.sent("a", 200)
			r.sent("b", 200)
			r.raw("b", "a")
			r.enriched("b", "a")
		}, Verdict{OutOfOrder: 1}},
		"one after the other, the first not answered": {func(r told) {
			r.sent("a", 0)
			r.sent("b", 200)
			r.raw("b", "a")
			r.enriched("b", "a")
		}, Verdict{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := told{t, NewLedger()}
			c.run(r)
			got := r.Judge()
			if got.faults() != c.want.faults() {
				t.Errorf("got %s\nwant %s", got.faults(), c.want.faults())
			}
			if wrong := c.want.faults() != (Verdict{}).faults(); (got.Err() != nil) != wrong {
				t.Errorf("Err: got %v, want one: %v", got.Err(), wrong)
			}
		})
	}
}

func TestLedgerFigures(t *testing.T) {
	r := told{t, NewLedger()}
	r.sent("a", http.StatusOK)
	r.sent("b", http.StatusForbidden)
	r.sent("c", 0)
	r.raw("a")
	r.enriched("a")
	if got := r.Owed(); got != 1 {
		t.Errorf("Owed: got %d, want 1", got)
	}
	table := strings.Join(strings.Fields(r.Judge().Table(3)), " ")
	for _, want := range []string{
		"webhooks sent 3", "not answered 1", "answered 200 1", "answered 403 1", "in RAW 1", "enriched 1", "dead 0", "lost 0", "API calls per event 3.00",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("got %s\nwant %q in it", table, want)
		}
	}
}

// However much goes wrong, what people read stays short.
func TestLedgerTellsTheFirstProblems(t *testing.T) {
	r := told{t, NewLedger()}
	for range 100 {
		r.enriched("never-sent")
	}
	if v := r.Judge(); v.Strange != 100 || len(v.Problems) != problemsShown {
		t.Errorf("got %d strange and %d problems, want 100 and %d", v.Strange, len(v.Problems), problemsShown)
	}
}
