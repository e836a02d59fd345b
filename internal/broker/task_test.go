package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
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
	if got := messages(t, c, queueStream); got != 0 {
		t.Errorf("QUEUE: got %d messages, want 0", got)
	}
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
		m, err := c.getLast(t.Context(), enrichedStream, outcomesOn(task.address.key))
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
	if _, err := task.conn.publish(t.Context(), events.StageEnriched, m, 0,
		jetstream.WithExpectLastSequenceForSubject(cp.fence, outcomesOn(task.address.key))); err != nil {
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
			if err := task.Release(); err != nil {
				t.Fatal(err)
			}
			a.stop()

			again := work(t, dial(t, s, "b")).take(t, 1)[0]
			if ok, err := again.Head(t.Context()); ok || !errors.Is(err, ErrDone) {
				t.Fatalf("Head: got %v, %v, want false, %v", ok, err, ErrDone)
			}
			if got := messages(t, c, queueStream); got != 0 {
				t.Errorf("QUEUE: got %d messages, want 0", got)
			}
		})
	}
}

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

// Two processes hold the same event: the second to publish is stopped, and then told.
func TestASecondWorkerIsFenced(t *testing.T) {
	s, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	a := work(t, dial(t, s, "a"))
	slow := a.take(t, 1)[0]
	if !head(t, slow) { // and its checkpoint is now remembered
		t.Fatal("Head: got false, want true")
	}
	if err := slow.msg.Nak(); err != nil {
		t.Fatal(err)
	}
	a.stop()
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

func TestAHoldLapses(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	if !head(t, task) {
		t.Fatal("Head: got false, want true")
	}
	past := time.Now().Add(-time.Second)
	task.held.Store(&past)
	for name, err := range map[string]error{
		"Publish": task.Publish(t.Context(), enriched(task.Event())),
		"Bury":    task.Bury(t.Context(), letter(task.Event())),
		"Extend":  task.Extend(),
	} {
		var done interface{ Done() bool }
		if !errors.Is(err, ErrLapsed) || !errors.As(err, &done) || !done.Done() {
			t.Errorf("%s: got %v, want %v", name, err, ErrLapsed)
		}
	}
	if got := messages(t, c, enrichedStream) + messages(t, c, deadStream); got != 0 {
		t.Errorf("got %d messages published, want 0", got)
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

func TestARawMadeAnewIsNotTakenForTheOldOne(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(1), 2))
	w := work(t, c)
	for _, task := range w.take(t, 2) {
		if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.js.DeleteStream(t.Context(), rawStream); err != nil {
		t.Fatal(err)
	}
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(1), 3)) // sequence 1 again
	task := w.take(t, 1)[0]
	if got := task.origin.seq; got != 1 {
		t.Fatalf("sequence in RAW: got %d, want 1", got)
	}
	if !head(t, task) {
		t.Error("Head: got false, want true")
	}
	if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
		t.Errorf("Publish: got %v, want nil", err)
	}
	if got := messages(t, c, enrichedStream); got != 3 {
		t.Errorf("ENRICHED: got %d messages, want 3", got)
	}
}

func TestWhatIsLeftOfAnOldRawComesFirst(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(1), 2))
	w := work(t, c)
	left := w.take(t, 2)
	if err := c.js.DeleteStream(t.Context(), rawStream); err != nil {
		t.Fatal(err)
	}
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(1), 3)) // sequence 1 of the new one
	task := w.take(t, 1)[0]
	if head(t, task) || !head(t, left[0]) {
		t.Error("Head: got that of the new RAW, want that of the old one")
	}
	if task.Sequence() <= left[1].Sequence() {
		t.Errorf("Sequence: got %d after %d: whoever sorts by it would wait for ever for the head", task.Sequence(), left[1].Sequence())
	}
}

// QUEUE can be thrown away and made again with other partitions: what is done is known.
func TestAQueueMadeAnew(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(1), 2), event(key(1), 3))
	w := work(t, c)
	tasks := w.take(t, 3)
	if err := tasks[0].Publish(t.Context(), enriched(tasks[0].Event())); err != nil {
		t.Fatal(err)
	}
	if err := tasks[1].Bury(t.Context(), letter(tasks[1].Event())); err != nil {
		t.Fatal(err)
	}
	if err := c.js.DeleteStream(t.Context(), queueStream); err != nil {
		t.Fatal(err)
	}
	if err := c.Provision(t.Context(), Topology{Partitions: 5}); err != nil {
		t.Fatal(err)
	}
	again := w.take(t, 3)
	for i, want := range []error{ErrDone, ErrDone, nil} {
		if ok, err := again[i].Head(t.Context()); !errors.Is(err, want) || ok != (want == nil) {
			t.Errorf("Head of event %d: got %v, %v, want error %v", i+1, ok, err, want)
		}
	}
}

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
	task.queue, task.address.lane = task.queue+100, task.address.lane+"0" // stands for servers that are all behind
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

func TestWhatIsNotOursIsBuried(t *testing.T) {
	_, c := provisioned(t, small)
	foreign := nats.NewMsg(event(key(1), 1).Subject(events.StageRaw))
	foreign.Data = []byte("not an envelope")
	misplaced := nats.NewMsg(event(key(2), 1).Subject(events.StageRaw))
	misplaced.Data, _ = events.EncodeRaw(event(key(3), 1))
	for _, m := range []*nats.Msg{foreign, misplaced} {
		if _, err := c.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, event(key(1), 2))
	task := work(t, c).take(t, 1)[0]
	eventually(t, "the event behind a corrupt one is the head", func() bool { return head(t, task) })
	eventually(t, "both are out of QUEUE", func() bool { return messages(t, c, queueStream) == 1 })
	if got := messages(t, c, deadStream); got != 2 {
		t.Fatalf("DEAD: got %d letters, want 2", got)
	}
	m, err := c.getFrom(t.Context(), deadStream, ">", 1)
	if err != nil {
		t.Fatal(err)
	}
	d, err := events.DecodeDead(m.Data)
	if err != nil || d.Reason != events.ReasonCorrupt || len(d.Body) == 0 {
		t.Errorf("letter: got %+v, %v, want the body with reason %s", d, err, events.ReasonCorrupt)
	}
}

// A message that did not come from RAW has no place in its order.
func TestAnUnsourcedMessageWedgesNothing(t *testing.T) {
	_, c := provisioned(t, small)
	e := event(key(1), 1)
	data, _ := events.EncodeRaw(e)
	cfg := small.withDefaults().queue()
	cfg.Subjects = []string{"rollcall.queue.>"}
	if _, err := c.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	for p := range small.Partitions {
		subject := strings.Replace(partitionSubjects(p), ">", strings.TrimPrefix(e.Subject(events.StageRaw), "rollcall.raw."), 1)
		if _, err := c.js.Publish(t.Context(), subject, data); err != nil {
			t.Fatal(err)
		}
	}
	publish(t, c, e)
	task := work(t, c).take(t, 1)[0]
	eventually(t, "the event is the head", func() bool { return head(t, task) })
	if got := messages(t, c, deadStream); got == 0 {
		t.Error("DEAD: got no letter, want one for each message of unknown origin")
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

// An extension that waits for the connection to come back has extended nothing.
func TestNothingIsExtendedWhileDisconnected(t *testing.T) {
	topology := small
	topology.AckWait = time.Second
	s := serve(t, EmbeddedConfig{})
	if err := dial(t, s, "test").Provision(t.Context(), topology); err != nil {
		t.Fatal(err)
	}
	way := &wire{server: s}
	c := way.connect(t) // one that keeps what it cannot send, as the enricher's does
	publish(t, c, event(key(1), 1))
	w := work(t, c)
	task := w.take(t, 1)[0]
	before := *task.held.Load()
	if err := task.Extend(); err != nil || !task.held.Load().After(before) {
		t.Fatalf("Extend while connected: got %v, want the hold to be moved on", err)
	}
	before = *task.held.Load()
	way.cut()
	eventually(t, "the connection is lost", func() bool { return !c.nc.IsConnected() })
	out := c.nc.Stats().OutMsgs
	if err := task.Extend(); !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("Extend while disconnected: got %v, want %v", err, nats.ErrDisconnected)
	}
	if got := *task.held.Load(); !got.Equal(before) {
		t.Errorf("held until %s, want %s: nothing was extended", got, before)
	}
	if got := c.nc.Stats().OutMsgs; got != out {
		t.Errorf("got %d messages kept for later, want none", got-out)
	}
	way.mend()
	eventually(t, "it is connected again", c.nc.IsConnected)
}

// What is written just before the connection goes is sent by the next one, perhaps too late.
func TestAnExtensionThatAReconnectOvertakesDoesNotCount(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	before := *task.held.Load()
	task.msg = reconnects{task.msg, func() {
		if err := c.nc.ForceReconnect(); err != nil {
			t.Error(err)
		}
		eventually(t, "it is connected again", func() bool { return c.nc.IsConnected() && c.nc.Stats().Reconnects > 0 })
	}}
	if err := task.Extend(); !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("Extend: got %v, want %v", err, nats.ErrDisconnected)
	}
	if got := *task.held.Load(); !got.Equal(before) {
		t.Errorf("held until %s, want %s: the extension may have come too late", got, before)
	}
}

// reconnects is a message whose connection is made anew while it is extended.
type reconnects struct {
	jetstream.Msg
	again func()
}

func (r reconnects) InProgress() error {
	r.again()
	return r.Msg.InProgress()
}
