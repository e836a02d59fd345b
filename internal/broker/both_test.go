package broker

import (
	"errors"
	"testing"
)

// shared returns the same task in two processes: the server has given it away again before the first knew.
func shared(t *testing.T) (first, second *Task) {
	t.Helper()
	s, c := provisioned(t, Topology{Partitions: 1})
	other := dial(t, s, "other")
	publish(t, c, event(key(1), 1))
	w := work(t, c)
	first = w.take(t, 1)[0]
	if !head(t, first) {
		t.Fatal("Head of the first: got false, want true")
	}
	w.stop()
	if err := first.msg.Nak(); err != nil {
		t.Fatal(err)
	}
	second = work(t, other).take(t, 1)[0]
	if !head(t, second) {
		t.Fatal("Head of the second: got false, want true")
	}
	return first, second
}

// The fence is of ENRICHED alone: without a look at DEAD the event would be in both.
func TestWhatAnotherHasBuriedIsNotPublished(t *testing.T) {
	for _, masked := range []bool{false, true} {
		first, second := shared(t)
		if err := second.Bury(t.Context(), letter(second.Event())); err != nil {
			t.Fatal(err)
		}
		if masked {
			if err := second.conn.PublishDead(t.Context(), letter(event(key(1), 99))); err != nil {
				t.Fatal(err)
			}
		}
		if err := first.Publish(t.Context(), enriched(first.Event())); !errors.Is(err, ErrDone) {
			t.Errorf("Publish (masked: %v): got %v, want %v", masked, err, ErrDone)
		}
		if got := messages(t, first.conn, enrichedStream); got != 0 {
			t.Errorf("ENRICHED (masked: %v): got %d events, want none: it is in DEAD", masked, got)
		}
	}
}

func TestWhatAnotherHasPublishedIsNotBuried(t *testing.T) {
	first, second := shared(t)
	if err := second.Publish(t.Context(), enriched(second.Event())); err != nil {
		t.Fatal(err)
	}
	if err := first.Bury(t.Context(), letter(first.Event())); !errors.Is(err, ErrDone) {
		t.Errorf("Bury: got %v, want %v", err, ErrDone)
	}
	if got := messages(t, first.conn, deadStream); got != 0 {
		t.Errorf("DEAD: got %d letters, want none: it is in ENRICHED", got)
	}
}
