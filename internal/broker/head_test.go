package broker

import (
	"errors"
	"reflect"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
)

func TestATaskThatWasRemovedIsForgotten(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	s, err := c.js.Stream(t.Context(), queueStream)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if ok, err := task.Head(t.Context()); ok || !errors.Is(err, ErrDone) {
		t.Errorf("Head: got %v, %v, want false, %v", ok, err, ErrDone)
	}
}

// In a cluster, the server that delivers a task may have stored it before the leader of QUEUE has.
func TestATaskThatQueueHasNotReachedIsNotTakenForDone(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	w := work(t, c)
	task := w.take(t, 1)[0]
	task.queue, task.subject = task.queue+100, task.subject+"0" // stands for servers that are all behind
	if ok, err := task.Head(t.Context()); ok || !errors.Is(err, ErrEarly) {
		t.Fatalf("Head: got %v, %v, want false, %v", ok, err, ErrEarly)
	}
	task = w.take(t, 1)[0]
	if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
		t.Errorf("Publish of what was delivered again: %v", err)
	}
	if got := messages(t, c, enrichedStream); got != 1 {
		t.Errorf("ENRICHED: got %d messages, want 1", got)
	}
}

// A process that holds thousands of tasks keeps the events of few.
func TestATaskThatWasShedIsReadAgainWhenItIsTheHead(t *testing.T) {
	_, c := provisioned(t, small)
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled, Remote: true,
	}))
	for i := range 2 {
		if _, err := c.PublishRaw(ctx, event(key(1), i)); err != nil {
			t.Fatal(err)
		}
	}
	tasks := work(t, c).take(t, 2)
	for _, task := range tasks {
		task.Shed()
		if got := task.Event(); got.ID != "" {
			t.Errorf("Event after Shed: got %s, want none", got.ID)
		}
	}
	if head(t, tasks[1]) || tasks[1].Event().ID != "" {
		t.Errorf("the second: got the head, or an event, want neither")
	}
	if err := tasks[1].Extend(); err != nil {
		t.Errorf("Extend of a task that was shed: %v", err)
	}
	for i, task := range tasks {
		if !head(t, task) {
			t.Fatalf("task %d: got no head, want one", i)
		}
		if got := task.Event(); !reflect.DeepEqual(got, event(key(1), i)) {
			t.Errorf("task %d: got %+v, want the event", i, got)
		}
		if got := trace.SpanContextFromContext(task.Context()).TraceID(); got != (trace.TraceID{1}) {
			t.Errorf("task %d: got trace %v, want the webhook's", i, got)
		}
		if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
			t.Fatalf("task %d: Publish: %v", i, err)
		}
	}
	eventually(t, "QUEUE is empty", func() bool { return messages(t, c, queueStream) == 0 })
}

// In a QUEUE that was made anew there may be another event in the place of a task: the task is not it.
func TestAnotherEventInATasksPlaceIsNotTheTask(t *testing.T) {
	for _, shed := range []bool{false, true} {
		_, c := provisioned(t, small)
		publish(t, c, event(key(1), 1))
		task := work(t, c).take(t, 1)[0]
		if shed {
			task.Shed()
		}
		before := task.Event().ID
		task.origin.seq += 100 // stands for a QUEUE with another event in its place
		if ok, err := task.Head(t.Context()); ok || !errors.Is(err, ErrLapsed) || task.Event().ID != before {
			t.Errorf("shed %v: Head: got %v, %v and event %q, want %v", shed, ok, err, task.Event().ID, ErrLapsed)
		}
	}
}

// A walk past so many events that are done but not acknowledged ends before the task: it has not been read again.
func TestATaskAtTheEndOfAHeadWalkIsNotTheHeadYet(t *testing.T) {
	_, c := provisioned(t, small)
	for i := range headWalk + 1 {
		publish(t, c, event(key(1), i))
	}
	tasks := work(t, c).take(t, headWalk+1)
	done, last := tasks[:headWalk], tasks[headWalk]
	m, err := done[headWalk-1].enrichedMessage(t.Context(), enriched(done[headWalk-1].Event())) // all before it is done too
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.publish(t.Context(), events.StageEnriched, m); err != nil {
		t.Fatal(err)
	}
	last.Shed()
	if head(t, last) {
		t.Errorf("Head behind %d events: got true with event %q, want false", headWalk, last.Event().ID)
	}
	for _, task := range done {
		if _, err := task.Head(t.Context()); !errors.Is(err, ErrDone) {
			t.Fatalf("Head of what is done: got %v, want %v", err, ErrDone)
		}
	}
	eventually(t, "the last is the head", func() bool { return head(t, last) })
	if got, want := last.Event().ID, event(key(1), headWalk).ID; got != want {
		t.Errorf("Event of the head: got %q, want %q", got, want)
	}
}
