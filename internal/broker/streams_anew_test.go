package broker

import (
	"errors"
	"fmt"
	"testing"
)

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
