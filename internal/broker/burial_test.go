package broker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

func TestBury(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(1), 2))
	tasks := work(t, c).take(t, 2)
	if err := tasks[1].Bury(t.Context(), letter(tasks[1].Event())); !errors.Is(err, ErrNotHead) {
		t.Errorf("Bury of the second event before the first is done: got %v, want %v", err, ErrNotHead)
	}
	if err := tasks[0].Bury(t.Context(), events.DeadLetter{ID: "x", Reason: events.ReasonRefused, FailedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if !head(t, tasks[1]) {
		t.Error("Head after the first was buried: got false, want true")
	}
	if got := ids(t, c, deadStream, ">"); len(got) != 1 || !strings.HasPrefix(got[0], "dead:ROLLCALL_RAW:1:") {
		t.Errorf("DEAD: got %v, want one letter dead:ROLLCALL_RAW:1:…", got)
	}
	eventually(t, "the task is out of QUEUE", func() bool { return messages(t, c, queueStream) == 1 })
}

func TestTooLarge(t *testing.T) {
	_, c := provisioned(t, small)
	large := event(key(1), 1)
	large.Payload = []byte(`{"Body":"` + strings.Repeat("x", maxPayload) + `"}`)
	var tooLarge interface{ TooLarge() bool }
	if _, err := c.PublishRaw(t.Context(), large); !errors.As(err, &tooLarge) || !tooLarge.TooLarge() {
		t.Errorf("PublishRaw: got %v, want an error that says TooLarge", err)
	}
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	if err := task.Publish(t.Context(), enriched(large)); !errors.As(err, &tooLarge) {
		t.Errorf("Publish: got %v, want an error that says TooLarge", err)
	}
	d := letter(task.Event())
	d.Reason, d.Detail = events.ReasonTooLarge, strings.Repeat("x", maxPayload)
	if err := task.Bury(t.Context(), d); err != nil {
		t.Errorf("Bury with too long a detail: got %v, want nil", err)
	}
	wantBuriedOnce(t, c, task.Event())
}

// A letter is kept whole where that can be, then with what Twilio sent, then without.
func TestALetterIsShortenedNoMoreThanItMustBe(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(1), 2))
	tasks := work(t, c).take(t, 2)
	for i, payload := range []int{maxPayload / 2, 2 * maxPayload} {
		d := letter(tasks[i].Event())
		large := *d.Event
		large.Payload = []byte(`{"Body":"` + strings.Repeat("x", payload) + `"}`)
		d.Event, d.Detail = &large, strings.Repeat("y", maxPayload)
		if err := tasks[i].Bury(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		got := letters(t, c, DeadFilter{})[i]
		if kept := len(got.Letter.Event.Payload) == len(large.Payload); got.Err != nil || kept != (i == 0) || got.Letter.ID != d.Event.ID {
			t.Errorf("payload of %d bytes: got it kept %v, %v, want %v", payload, kept, got.Err, i == 0)
		}
		burial, err := c.getLast(t.Context(), enrichedStream, outcomesOn(key(1)))
		if err != nil || !isBurial(burial) || string(burial.Data) != string(got.Data) {
			t.Errorf("payload of %d bytes: got a burial of %d bytes, %v, want the letter's own %d", payload, len(burial.Data), err, len(got.Data))
		}
	}
}
