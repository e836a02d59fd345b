package broker

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
)

func TestEventsOfAKeyAreDoneInOrder(t *testing.T) {
	_, c := provisioned(t, small)
	a, b := event(key(1), 1), event(key(1), 2)
	publish(t, c, a, b)
	tasks := work(t, c).take(t, 2)

	if got := tasks[1].Event().ID; got != b.ID {
		t.Fatalf("second task: got %s, want %s", got, b.ID)
	}
	if head(t, tasks[1]) {
		t.Error("Head of the second event before the first is done: got true, want false")
	}
	if err := tasks[1].Publish(t.Context(), enriched(b)); !errors.Is(err, ErrNotHead) {
		t.Errorf("Publish of the second event before the first is done: got %v, want %v", err, ErrNotHead)
	}
	for i, task := range tasks {
		if !head(t, task) {
			t.Fatalf("Head of event %d: got false, want true", i+1)
		}
		if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
			t.Fatalf("Publish: %v", err)
		}
	}
	if got, want := ids(t, c, enrichedStream, ">"), []string{a.ID, b.ID}; !slices.Equal(got, want) {
		t.Errorf("ENRICHED: got %v, want %v", got, want)
	}
	eventually(t, "QUEUE is empty", func() bool { return messages(t, c, queueStream) == 0 })
}

func TestEnrichedCarriesItsOriginAndTheTrace(t *testing.T) {
	_, c := provisioned(t, small)
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
	for i := range 2 {
		if _, err := c.PublishRaw(trace.ContextWithSpanContext(t.Context(), span), event(key(i), 1)); err != nil {
			t.Fatal(err)
		}
	}
	for _, task := range work(t, c).take(t, 2) {
		if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
			t.Fatal(err)
		}
		m, err := c.getLast(t.Context(), enrichedStream, outcomesOn(task.key()))
		if err != nil {
			t.Fatal(err)
		}
		if got := carriedOrigin(m.Header); !got.known() || got != task.origin {
			t.Errorf("origin: got %+v, want %+v", got, task.origin)
		}
		if got := m.Header.Get("traceparent"); !strings.Contains(got, span.TraceID().String()) {
			t.Errorf("traceparent: got %q, want trace %s", got, span.TraceID())
		}
		if got := m.Header.Get("Content-Type"); got != events.ContentType {
			t.Errorf("Content-Type: got %q, want %q", got, events.ContentType)
		}
		if _, err := events.DecodeEnriched(m.Data); err != nil {
			t.Errorf("DecodeEnriched: %v", err)
		}
	}
}

// A takes everything and dies. The server then delivers the later events to B first.
func TestOrderHoldsWhenATakerDies(t *testing.T) {
	topology := small
	topology.AckWait = 300 * time.Millisecond
	s, c := provisioned(t, topology)
	const n = 20
	for i := range n {
		publish(t, c, event(key(1), i))
	}
	first := dial(t, s, "first")
	dying := work(t, first)
	dying.take(t, n)
	first.nc.Close() // with everything un-acked
	// The first event comes back last.
	var all []*Task
	w := work(t, dial(t, s, "second"))
	for len(all) < n {
		task := w.take(t, 1)[0]
		if !slices.ContainsFunc(all, func(o *Task) bool { return o.Sequence() == task.Sequence() }) {
			all = append(all, task)
		}
	}
	slices.Reverse(all)
	for len(all) > 0 {
		all = slices.DeleteFunc(all, func(task *Task) bool {
			task.hold() // stands for the extensions of a live process
			ok, err := task.Head(t.Context())
			if err != nil {
				t.Fatalf("Head: %v", err)
			}
			if !ok {
				return false
			}
			if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
				t.Fatalf("Publish: %v", err)
			}
			return true
		})
	}
	var want []string
	for i := range n {
		want = append(want, event(key(1), i).ID)
	}
	if got := ids(t, c, enrichedStream, ">"); !slices.Equal(got, want) {
		t.Errorf("ENRICHED: got %v, want %v", got, want)
	}
}

// published leaves what a process leaves that dies between the publish and its acknowledgement of the task.
func published(t *testing.T, task *Task) {
	t.Helper()
	cp, err := task.claim(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m, err := task.enrichedMessage(t.Context(), enriched(task.Event()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := task.conn.publish(t.Context(), events.StageEnriched, m, expectLast(cp.fence, outcomesOn(task.key()))); err != nil {
		t.Fatal(err)
	}
}

func TestDoneButNotAcknowledgedIsDone(t *testing.T) {
	tests := []struct {
		name  string
		leave func(*testing.T, *Task)
	}{
		{"published", published},
		{"buried", func(t *testing.T, task *Task) {
			t.Helper()
			buried(t, task)
			sendLetter(t, task)
		}},
		{"buried, and its letter not stored", buried},
		{"buried, then a letter of ingest on the same key", func(t *testing.T, task *Task) {
			t.Helper()
			buried(t, task)
			sendLetter(t, task)
			if err := task.conn.PublishDead(t.Context(), letter(event(key(1), 99))); err != nil {
				t.Fatal(err)
			}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, c := provisioned(t, small)
			publish(t, c, event(key(1), 1))
			a := work(t, dial(t, s, "a"))
			task := a.take(t, 1)[0]
			tt.leave(t, task)
			a.stop() // else it may be given the task once more, and keep it
			if err := task.Release(); err != nil {
				t.Fatal(err)
			}

			again := work(t, dial(t, s, "b")).take(t, 1)[0]
			if ok, err := again.Head(t.Context()); ok || !errors.Is(err, ErrDone) {
				t.Fatalf("Head: got %v, %v, want false, %v", ok, err, ErrDone)
			}
			eventually(t, "QUEUE is empty", func() bool { return messages(t, c, queueStream) == 0 })
		})
	}
}

// Two processes hold the same event: the second to publish is stopped, and then told.
func TestASecondWorkerIsFenced(t *testing.T) {
	s, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	a := work(t, dial(t, s, "a"))
	slow := a.take(t, 1)[0]
	if !head(t, slow) { // and its checkpoint is now remembered
		t.Fatal("Head: got false, want true")
	}
	a.stop() // first, or it may be given what it gives back
	if err := slow.msg.nak(); err != nil {
		t.Fatal(err)
	}
	fast := work(t, dial(t, s, "b")).take(t, 1)[0]
	published(t, fast)

	// Another id would be stored twice: the fence alone is what holds.
	twin := enriched(slow.Event())
	twin.ID += "-twin"
	if err := slow.Publish(t.Context(), twin); !errors.Is(err, ErrFenced) {
		t.Fatalf("Publish: got %v, want %v", err, ErrFenced)
	}
	if ok, err := slow.Head(t.Context()); ok || !errors.Is(err, ErrDone) {
		t.Errorf("Head: got %v, %v, want false, %v", ok, err, ErrDone)
	}
	if got := messages(t, c, enrichedStream); got != 1 {
		t.Errorf("ENRICHED: got %d messages, want 1", got)
	}
}

func TestATimeoutIsDecidedByTheStreams(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	published(t, task) // it was stored, but nobody heard
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := task.Publish(canceled, enriched(task.Event())); err == nil || errors.Is(err, ErrDone) {
		t.Fatalf("Publish: got %v, want the context's error", err)
	}
	if err := task.Bury(t.Context(), letter(task.Event())); !errors.Is(err, ErrDone) {
		t.Errorf("Bury after a publish that may have been stored: got %v, want %v", err, ErrDone)
	}
	if got := messages(t, c, deadStream); got != 0 {
		t.Errorf("DEAD: got %d letters, want 0", got)
	}
}

// A process holds tens of thousands of tasks.
func TestATaskIsSmall(t *testing.T) {
	if got := reflect.TypeFor[Task]().Size(); got > 128 { // the next size that memory is given out in is 144
		t.Errorf("got %d bytes, want at most 128", got)
	}
}
