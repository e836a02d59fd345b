package broker

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
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

// An acknowledgement is not waited for, as a rule, so that nothing would tell that they are allowed again.
func TestADeniedAcknowledgementIsToldUntilOneIsTaken(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	c.denials.add(publishing(ackSubjects))
	if !head(t, task) {
		t.Fatal("Head: got false, want true")
	}
	if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
		t.Fatalf("Publish: %v", err)
	}
	if err := c.denials.err(); err != nil {
		t.Errorf("after one that the server took: got %v, want no denial", err)
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

func TestAHoldLapses(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1))
	task := work(t, c).take(t, 1)[0]
	if !head(t, task) {
		t.Fatal("Head: got false, want true")
	}
	task.held.Store(0)
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

// A pull that outlives the connection must not go on with some of the partitions of another QUEUE.
func TestAQueueMadeAnewWhileAwayHasItsOwnPartitions(t *testing.T) {
	s, admin := provisioned(t, small)
	way := &wire{server: s}
	c := way.connect(t)
	const keys = 16
	for i := range keys {
		publish(t, admin, event(key(i), 1))
	}
	w := work(t, c)
	w.take(t, keys)
	way.cut()
	eventually(t, "the connection is lost", func() bool { return !c.nc.IsConnected() })
	if err := admin.js.DeleteStream(t.Context(), queueStream); err != nil {
		t.Fatal(err)
	}
	if err := admin.Provision(t.Context(), Topology{Partitions: 5}); err != nil {
		t.Fatal(err)
	}
	way.mend()
	w.take(t, keys)
}

// What a process remembers of a key's place in QUEUE is nothing in another QUEUE, where an event that is not done may be below it.
func TestAPlaceInAQueueIsNotTakenForOneInAnother(t *testing.T) {
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("made anew while away %v", away), func(t *testing.T) {
			s, admin := provisioned(t, small)
			way := &wire{server: s}
			c := way.connect(t)
			publish(t, admin, event(key(2), 1), event(key(1), 1), event(key(1), 2), event(key(1), 3))
			w := work(t, c)
			for _, task := range w.take(t, 4) {
				if task.origin.seq != 2 {
					continue
				}
				if err := task.Publish(t.Context(), enriched(task.Event())); err != nil { // all below 3 is done, in this QUEUE
					t.Fatal(err)
				}
			}
			if away {
				way.cut()
				eventually(t, "the connection is lost", func() bool { return !c.nc.IsConnected() })
			}
			makeQueueAnew(t, admin, small)
			way.mend()
			for _, task := range w.take(t, 3) { // those of the key, each at a sequence less by one
				if got := task.Sequence(); got != task.origin.seq-1 {
					t.Fatalf("sequence in QUEUE: got %d, want %d", got, task.origin.seq-1)
				}
				if task.Sequence() == 3 && head(t, task) {
					t.Error("Head of the third event before the second is done: got true, want false")
				}
			}
		})
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
	task.queue, task.lane = task.queue+100, task.lane+"0" // stands for servers that are all behind
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
		subject := strings.Replace(partitionSubjects(p), ">", e.Key(), 1)
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
	before := task.held.Load()
	if err := task.Extend(); err != nil || task.held.Load() <= before {
		t.Fatalf("Extend while connected: got %v, want the hold to be moved on", err)
	}
	before = task.held.Load()
	way.cut()
	eventually(t, "the connection is lost", func() bool { return !c.nc.IsConnected() })
	out := c.nc.Stats().OutMsgs
	if err := task.Extend(); !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("Extend while disconnected: got %v, want %v", err, nats.ErrDisconnected)
	}
	if got := task.held.Load(); got != before {
		t.Errorf("held until %d, want %d: nothing was extended", got, before)
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
	before := task.held.Load()
	task.msg.nc = reconnects{task.msg.nc, func() {
		if err := c.nc.ForceReconnect(); err != nil {
			t.Error(err)
		}
		eventually(t, "it is connected again", func() bool { return c.nc.IsConnected() && c.nc.Stats().Reconnects > 0 })
	}}
	if err := task.Extend(); !errors.Is(err, nats.ErrDisconnected) {
		t.Errorf("Extend: got %v, want %v", err, nats.ErrDisconnected)
	}
	if got := task.held.Load(); got != before {
		t.Errorf("held until %d, want %d: the extension may have come too late", got, before)
	}
}

// reconnects is a connection that is made anew while something is written to it.
type reconnects struct {
	courier
	again func()
}

func (r reconnects) Publish(subject string, data []byte) error {
	r.again()
	return r.courier.Publish(subject, data)
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

// A process holds tens of thousands of tasks.
func TestATaskIsSmall(t *testing.T) {
	if got := reflect.TypeFor[Task]().Size(); got > 128 { // the next size that memory is given out in is 144
		t.Errorf("got %d bytes, want at most 128", got)
	}
}
