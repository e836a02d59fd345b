package broker

import (
	"testing"
	"time"
)

func TestWatchTellsOfOutcomesOnTheKeyAlone(t *testing.T) {
	_, c := provisioned(t, Topology{Partitions: 1})
	publish(t, c, event(key(1), 1), event(key(1), 2), event(key(1), 3), event(key(2), 1))
	tasks := work(t, c).take(t, 4)
	moved := make(chan struct{}, 10)
	stop := tasks[2].Watch(func() { moved <- struct{}{} })
	told := func(want bool) {
		t.Helper()
		limit := 10 * time.Second
		if !want {
			limit = 50 * time.Millisecond
		}
		select {
		case <-moved:
			if !want {
				t.Error("got told, want nothing")
			}
		case <-time.After(limit):
			if want {
				t.Error("got nothing, want told")
			}
		}
	}
	if err := tasks[3].Publish(t.Context(), enriched(tasks[3].Event())); err != nil {
		t.Fatal(err)
	}
	told(false) // another key
	if err := tasks[0].Publish(t.Context(), enriched(tasks[0].Event())); err != nil {
		t.Fatal(err)
	}
	told(true)
	if err := tasks[1].Bury(t.Context(), letter(tasks[1].Event())); err != nil {
		t.Fatal(err)
	}
	told(true)
	stop()
	if err := tasks[2].Publish(t.Context(), enriched(tasks[2].Event())); err != nil {
		t.Fatal(err)
	}
	told(false)
}

// A task that waits for one that another process has must not go by what this process remembers: as soon as that one is
// published it is the head, also when it is not acknowledged.
func TestWhoWaitsForAnotherLooksAnew(t *testing.T) {
	s, c := provisioned(t, Topology{Partitions: 1, AckWait: time.Hour})
	other := dial(t, s, "other")
	publish(t, c, event(key(1), 1))
	w := work(t, c)
	first := w.take(t, 1)[0]
	w.stop()
	publish(t, c, event(key(1), 2))
	second := work(t, other).take(t, 1)[0]
	if head(t, second) {
		t.Fatal("Head of the second: got true, want false")
	}
	published(t, first)
	if !head(t, second) {
		t.Error("Head of the second once the first is published: got false, want true")
	}
}
