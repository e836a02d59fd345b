package broker

import (
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

func TestALetterOfIngestHidesNoWork(t *testing.T) {
	_, c := provisioned(t, small)
	if err := c.PublishDead(t.Context(), letter(event(key(1), 99))); err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	if !head(t, task) {
		t.Fatal("Head: got false, want true")
	}
	if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
		t.Fatal(err)
	}
	if got, want := messages(t, c, deadStream), uint64(1); got != want {
		t.Errorf("DEAD: got %d letters, want %d", got, want)
	}
}

func TestDuplicatesAreStoredOnce(t *testing.T) {
	_, c := provisioned(t, small)
	for i, want := range []bool{false, true, true} {
		if got, err := c.PublishRaw(t.Context(), event(key(1), 1)); err != nil || got != want {
			t.Errorf("PublishRaw, time %d: got %v, %v, want %v", i+1, got, err, want)
		}
	}
	for range 2 {
		if err := c.PublishDead(t.Context(), letter(event(key(1), 1))); err != nil {
			t.Fatal(err)
		}
	}
	if raw, dead := messages(t, c, rawStream), messages(t, c, deadStream); raw != 1 || dead != 1 {
		t.Errorf("got %d raw and %d dead messages, want 1 and 1", raw, dead)
	}
}

// What RAW took as new becomes work, also when QUEUE has seen its id before.
func TestQueueForgetsIDs(t *testing.T) {
	topology := small
	topology.Duplicates = 100 * time.Millisecond
	_, c := provisioned(t, topology)
	publish(t, c, event(key(1), 1))
	eventually(t, "RAW has forgotten the id", func() bool {
		duplicate, err := c.PublishRaw(t.Context(), event(key(1), 1))
		return err == nil && !duplicate
	})
	eventually(t, "QUEUE holds both", func() bool { return messages(t, c, queueStream) == 2 })
}

func TestLettersWithoutAnIDAreToldApart(t *testing.T) {
	_, c := provisioned(t, small)
	for _, body := range []string{"one", "two", "two"} {
		d := events.DeadLetter{Reason: events.ReasonUnparseable, FailedAt: time.Now(), Feed: events.FeedFlex, Body: []byte(body)}
		if err := c.PublishDead(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	if got := messages(t, c, deadStream); got != 2 {
		t.Errorf("DEAD: got %d letters, want 2", got)
	}
}
