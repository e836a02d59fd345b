package events_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rollcall-events/rollcall/events"
)

func TestAReplayIsANewEventThatNamesTheOld(t *testing.T) {
	for _, s := range samples() {
		old := parseOne(t, s.delivery)
		first, again, other := old.Replayed("letter 1"), old.Replayed("letter 1"), old.Replayed("letter 2")
		if first.ID != again.ID || first.ID == other.ID || first.ID == old.ID {
			t.Errorf("%s: got ids %s, %s, %s of %s, want one for each letter, none the event's", s.name, first.ID, again.ID, other.ID, old.ID)
		}
		if first.ReplayOf != old.ID {
			t.Errorf("%s: got replay of %q, want %q", s.name, first.ReplayOf, old.ID)
		}
		if first.Subject(events.StageRaw) != old.Subject(events.StageRaw) {
			t.Errorf("%s: got subject %s, want that of the old", s.name, first.Subject(events.StageRaw))
		}
		if twice := first.Replayed("letter 3"); twice.ReplayOf != old.ID || twice.ID == first.ID {
			t.Errorf("%s: replayed twice: got replay of %q, want the first id, %q", s.name, twice.ReplayOf, old.ID)
		}
		b, err := events.EncodeRaw(first)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if err := validate(schemaOf(t, events.StageRaw), b); err != nil {
			t.Errorf("%s: %v", s.name, err)
		}
		got, err := events.DecodeRaw(b)
		if err != nil || !reflect.DeepEqual(got, first) {
			t.Errorf("%s: got %+v, %v, want %+v", s.name, got, err, first)
		}
	}
}

func TestAReplayOfNoIDIsRefused(t *testing.T) {
	e := parseOne(t, samples()[0].delivery)
	for _, id := range []string{"a b", "x.>", strings.Repeat("x", 129), "é"} {
		e.ReplayOf = id
		if _, err := events.EncodeRaw(e); err == nil || !strings.Contains(err.Error(), "replay_of: id") {
			t.Errorf("%q: got %v, want replay_of: id", id, err)
		}
		d := events.DeadLetter{Reason: events.ReasonOverdue, FailedAt: received, Event: &e}
		if _, err := events.EncodeDead(d); err == nil {
			t.Errorf("%q in a dead letter: got no error", id)
		}
	}
	e.ReplayOf = ""
	raw, err := events.EncodeRaw(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := events.DecodeRaw(change(t, raw, "data.replay_of", `"a b"`)); err == nil {
		t.Error("decode: got no error for a replay of no id")
	}
}
