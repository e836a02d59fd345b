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

func (r told) sent(id string, status int) { r.mortal(id, status) }

// mortal is sent for an event that may be dead.
func (r told) mortal(id string, status int, why ...events.Reason) {
	r.Sending(Webhook{IDs: []string{id}, MayBeDead: why})(status)
}

const (
	unknown = events.ReasonNotFound
	invalid = events.ReasonInvalid
	overdue = events.ReasonOverdue
)

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
func (r told) fetched(id string, after time.Duration) { r.enrichedEvent(r.event(id), after) }

func (r told) enrichedEvent(e events.Event, after time.Duration) {
	b, err := events.EncodeEnriched(events.Enriched{Event: e, Roster: events.Roster{
		Status: events.RosterResolved, Lookup: events.LookupConversation, FetchedAt: e.ReceivedAt.Add(after), Participants: []participants.Participant{},
	}})
	r.store(events.StageEnriched, b, err)
}

// dead stores a letter: Twilio does not know what the event is about.
func (r told) dead(id string) { r.deadEvent(r.event(id), unknown) }

func (r told) deadEvent(e events.Event, why events.Reason) {
	b, err := events.EncodeDead(events.DeadLetter{ID: e.ID, Reason: why, FailedAt: e.ReceivedAt, Event: &e, Feed: e.Feed, Account: e.Account})
	r.store(events.StageDead, b, err)
}

// missed stores the letter of an audit.
func (r told) missed(id string) { r.deadEvent(r.event(id), events.ReasonMissed) }

// letter stores a letter that no event could be read for.
func (r told) letter(id string, why events.Reason) {
	b, err := events.EncodeDead(events.DeadLetter{ID: id, Reason: why, FailedAt: r.event(id).ReceivedAt, Feed: events.FeedConversations, Body: []byte("?")})
	r.store(events.StageDead, b, err)
}

// replay is what replaying a letter of event a does: the letter goes, and a new event is in RAW.
func (r told) replay(letter string) events.Event {
	e := r.event("a").Replayed(letter)
	b, err := events.EncodeRaw(e)
	r.store(events.StageRaw, b, err)
	return e
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
			r.mortal("b", 200, invalid, unknown)
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
		"enriched and dead":                    {func(r told) { r.mortal("a", 200, unknown); r.enriched("a"); r.dead("a") }, Verdict{Twice: 1}},
		"a forged one enriched":                {func(r told) { r.sent("a", 403); r.enriched("a") }, Verdict{Refused: 1}},
		"a forged one kept raw":                {func(r told) { r.sent("a", 403); r.raw("a") }, Verdict{Refused: 1}},
		"a forged one dead":                    {func(r told) { r.mortal("a", 413, unknown); r.dead("a") }, Verdict{Refused: 1}},
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
		"replayed, and enriched after what followed": {func(r told) {
			r.sent("a", 200)
			r.sent("b", 200)
			r.raw("a", "b")
			again := r.replay("letter")
			r.enriched("b")
			r.enrichedEvent(again, time.Second)
		}, Verdict{}},
		"replayed, and enriched before what RAW has before it": {func(r told) {
			r.sent("a", 200)
			r.sent("b", 200)
			r.raw("a", "b")
			again := r.replay("letter")
			r.enrichedEvent(again, time.Second)
			r.enriched("b")
		}, Verdict{OutOfOrder: 1}},
		"replayed, and dead again": {func(r told) {
			r.mortal("a", 200, unknown)
			r.raw("a")
			r.deadEvent(r.replay("letter"), unknown)
		}, Verdict{}},
		"replayed, and dead again as none may be": {func(r told) {
			r.mortal("a", 200, unknown)
			r.raw("a")
			r.deadEvent(r.replay("letter"), overdue)
		}, Verdict{WronglyDead: 1}},
		"dead as none may be":              {func(r told) { r.sent("a", 200); r.raw("a"); r.dead("a") }, Verdict{WronglyDead: 1}},
		"dead for another reason":          {func(r told) { r.mortal("a", 200, invalid); r.raw("a"); r.dead("a") }, Verdict{WronglyDead: 1}},
		"dead before it was in RAW":        {func(r told) { r.mortal("a", 200, invalid); r.deadEvent(r.event("a"), invalid) }, Verdict{}},
		"dead as it might be, enriched":    {func(r told) { r.mortal("a", 200, unknown); r.raw("a"); r.enriched("a") }, Verdict{}},
		"not answered, and wrongly dead":   {func(r told) { r.sent("a", 0); r.dead("a") }, Verdict{WronglyDead: 1}},
		"missed, and found":                {func(r told) { r.sent("a", 200); r.raw("a"); r.missed("a") }, Verdict{Missed: 1}},
		"missed, and enriched":             {func(r told) { r.sent("a", 200); r.raw("a"); r.missed("a"); r.enriched("a") }, Verdict{Missed: 1, Twice: 1}},
		"dead with no event in the letter": {func(r told) { r.sent("a", 200); r.letter("a", events.ReasonUnparseable) }, Verdict{WronglyDead: 1}},
		"replayed twice, one after the other": {func(r told) {
			r.sent("a", 200)
			r.raw("a")
			r.replay("letter")
			r.enrichedEvent(r.replay("its replay's letter"), time.Second)
		}, Verdict{}},
		"replayed, and nothing came of it": {func(r told) { r.sent("a", 200); r.raw("a"); r.replay("letter") }, Verdict{Lost: 1}},
		"replayed, and its letter still there": {func(r told) {
			r.mortal("a", 200, unknown)
			r.raw("a")
			again := r.replay("letter")
			r.enrichedEvent(again, time.Second)
			r.dead("a")
		}, Verdict{Twice: 1}},
		"replayed twice at once": {func(r told) {
			r.sent("a", 200)
			r.raw("a")
			r.enrichedEvent(r.replay("letter"), time.Second)
			r.enrichedEvent(r.replay("another letter"), time.Second)
		}, Verdict{Twice: 1}},
		"replayed, with an old roster":      {func(r told) { r.sent("a", 200); r.raw("a"); r.enrichedEvent(r.replay("letter"), -time.Second) }, Verdict{Stale: 1}},
		"the replay of a forged one":        {func(r told) { r.sent("a", 403); r.enrichedEvent(r.replay("letter"), time.Second) }, Verdict{Refused: 1}},
		"the replay of what was never sent": {func(r told) { r.replay("letter") }, Verdict{Strange: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := told{t, NewLedger()}
			c.run(r)
			got := r.Judge()
			if got.faults() != c.want.faults() || got.Missed != c.want.Missed {
				t.Errorf("got %s, %d missed\nwant %s, %d missed", got.faults(), got.Missed, c.want.faults(), c.want.Missed)
			}
			if wrong := c.want.faults() != (Verdict{}).faults(); (got.Err() != nil) != wrong {
				t.Errorf("Err: got %v, want one: %v", got.Err(), wrong)
			}
		})
	}
}

// With no enricher behind an ingest, RAW is where events come out.
func TestLedgerJudgesAnIngestAlone(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(r told)
		want Verdict // its faults
	}{
		"stored, buried and refused": {func(r told) {
			r.sent("a", 200)
			r.mortal("b", 200, invalid)
			r.sent("forged", 403)
			r.raw("a")
			r.deadEvent(r.event("b"), invalid)
		}, Verdict{}},
		"answered, and in no stream":   {func(r told) { r.sent("a", 200) }, Verdict{Lost: 1}},
		"twice in RAW":                 {func(r told) { r.sent("a", 200); r.sent("a", 200); r.raw("a", "a") }, Verdict{Twice: 1}},
		"in RAW and dead":              {func(r told) { r.mortal("a", 200, unknown); r.raw("a"); r.dead("a") }, Verdict{Twice: 1}},
		"refused, and in RAW":          {func(r told) { r.sent("a", 403); r.raw("a") }, Verdict{Refused: 1}},
		"refused, and dead":            {func(r told) { r.mortal("a", 403, unknown); r.dead("a") }, Verdict{Refused: 1}},
		"one after the other":          {func(r told) { r.sent("a", 200); r.sent("b", 200); r.raw("a", "b") }, Verdict{}},
		"not in the order of sending":  {func(r told) { r.sent("a", 200); r.sent("b", 200); r.raw("b", "a") }, Verdict{OutOfOrder: 1}},
		"a letter of what never came":  {func(r told) { r.letter("a", events.ReasonUnparseable) }, Verdict{Strange: 1}},
		"not answered, and not stored": {func(r told) { r.sent("a", 0) }, Verdict{}},
	} {
		t.Run(name, func(t *testing.T) {
			r := told{t, NewLedger()}
			c.run(r)
			if got := r.JudgeIngest(); got.faults() != c.want.faults() {
				t.Errorf("got %s\nwant %s", got.faults(), c.want.faults())
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
