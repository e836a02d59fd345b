package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/enrich"
)

// sleeper is a task whose process loses touch at the worst moment: it has asked for its head, holds the checkpoint, and what it publishes
// is on its way when the connection freezes.
type sleeper struct {
	enrich.Task
	*sleep
}

// sleep is what sleeps: the connection of one enricher, from when one of its tasks publishes until it wakes.
type sleep struct {
	link   *link
	past   jetstream.JetStream // publishes without a fence, on the same link; nil for the broker's own way
	begun  chan struct{}       // closed then
	result chan error          // of that publish
	frozen atomic.Bool
}

func (s *sleep) wake() {
	if s.frozen.CompareAndSwap(true, false) {
		s.link.thaw()
	}
}

func (s sleeper) Publish(ctx context.Context, e events.Enriched) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	s.link.freeze()
	s.frozen.Store(true)
	close(s.begun)
	err := s.publish(ctx, e)
	s.result <- err
	return err
}

func (s sleeper) publish(ctx context.Context, e events.Enriched) error {
	if s.past == nil {
		return s.Task.Publish(ctx, e)
	}
	for { // until the stream has forgotten the id
		ack, err := unguarded{s.Task, &rig{js: s.past}}.store(ctx, e)
		if err != nil || !ack.Duplicate {
			return err
		}
	}
}

// unfenced is JetStream on a link, without the broker.
func unfenced(t *testing.T, l *link) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(l.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// The connection of the one enricher that owns everything freezes for longer than AckWait, with a publish in it. Another does that event and
// those that follow; then the first one wakes, and its publish arrives.
func TestAFrozenOwnersPublishesComeTooLate(t *testing.T) {
	for _, broken := range []bool{false, true} {
		t.Run(fmt.Sprintf("broken=%v", broken), func(t *testing.T) {
			const all = 8
			r, crowd, _ := quiet(t, broker.Topology{Partitions: 1, AckWait: time.Second, Duplicates: 100 * time.Millisecond})
			s := &sleep{link: newLink(t, r.cluster.address), begun: make(chan struct{}), result: make(chan error, 1)}
			if broken {
				s.past = unfenced(t, s.link)
			}
			taken := map[string]bool{} // of one partition: one after the other
			owner := r.startEnricher(t, s.link, func(task enrich.Task) enrich.Task {
				known := taken[task.Event().ID]
				if taken[task.Event().ID] = true; len(taken) == 3 && !known { // by now it knows the key's checkpoint
					return sleeper{task, s}
				}
				return task
			})
			t.Cleanup(s.wake)
			sent := crowd.begin([]talk{{Talk: named("frozen"), events: all, known: true}})
			crowd.let(2)
			must(t, "the owner is at work", func() bool { return r.count(events.StageEnriched) == 2 })
			crowd.let(1)
			must(t, "the connection freezes", func() bool { return isClosed(s.begun) })
			crowd.let(all - 3)
			other := r.startEnricher(t, newLink(t, r.cluster.address), nil)
			must(t, "the other has done everything", func() bool { return r.count(events.StageEnriched) == all && isClosed(sent) })
			s.wake()
			if err := <-s.result; errors.Is(err, broker.ErrFenced) == broken || broken && err != nil {
				t.Errorf("the late publish: got %v, want it fenced: %v", err, !broken)
			}
			if n := (figures{owner.figures}).sum("rollcall_nats_publishes_total", "enriched", "fenced"); (n > 0) == broken {
				t.Errorf("the owner's metrics: got %v fenced publishes, want some: %v", n, !broken)
			}
			r.settle(ackWait)
			owner.end()
			other.end()
			v := r.judge()
			if twice := v.Twice > 0; twice != broken || v.Owed != all || v.Lost+v.OutOfOrder+v.WronglyDead+v.Stale+v.Strange > 0 {
				t.Errorf("got %d owed and %v, want %d and an event twice: %v", v.Owed, v.Err(), all, broken)
			}
		})
	}
}
