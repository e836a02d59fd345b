package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

// lose takes an event out of QUEUE, as nobody should.
func lose(t *testing.T, c *Conn, e events.Event) {
	t.Helper()
	queue, err := c.js.Stream(t.Context(), queueStream)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "QUEUE has the event", func() bool {
		for seq := uint64(1); ; {
			m, err := c.getFromLeader(t.Context(), queueStream, seq, queuedOn(e.Key()))
			if err != nil || m == nil {
				return false
			}
			if m.Header.Get(jetstream.MsgIDHeader) == e.ID {
				return queue.DeleteMsg(t.Context(), m.Sequence) == nil
			}
			seq = m.Sequence + 1
		}
	})
}

// round lets a goes one round.
func round(t *testing.T, a *audit) {
	t.Helper()
	if err := a.round(t.Context()); err != nil {
		t.Fatalf("audit: %v", err)
	}
}

// missedLetters returns the ids of the events that audits have buried.
func missedLetters(t *testing.T, c *Conn) (ids []string) {
	t.Helper()
	for b, err := range c.DeadLetters(t.Context(), DeadFilter{Reasons: []events.Reason{events.ReasonMissed}}) {
		if err != nil || b.Err != nil {
			t.Fatal(err, b.Err)
		}
		ids = append(ids, b.Letter.ID)
	}
	return ids
}

func wantMissed(t *testing.T, c *Conn, want ...string) {
	t.Helper()
	var got []string
	reads := 0
	eventually(t, "a replica that is not behind answers", func() bool {
		got, reads = missedLetters(t, c), reads+1
		return slices.Equal(got, want) || len(got) >= len(want) || reads == 1000
	})
	if !slices.Equal(got, want) {
		t.Errorf("letters of missed events: got %v, want %v", got, want)
	}
}

// do publishes the tasks as they become heads.
func do(t *testing.T, tasks ...*Task) {
	t.Helper()
	for _, task := range tasks {
		eventually(t, "it is the head", func() bool { return head(t, task) })
		if err := task.Publish(t.Context(), enriched(task.Event())); err != nil {
			t.Fatal(err)
		}
	}
}

// do publishes the next n tasks. In a cluster one may come before the leader of QUEUE has stored it, and then comes again; one that is lost
// may come nevertheless; and a replica that is behind may tell of an old fence.
func (w *worker) do(t *testing.T, n int) {
	t.Helper()
	for done := 0; done < n; {
		task, tried, err := w.take(t, 1)[0], false, error(nil)
		eventually(t, "it is done, or to be forgotten", func() (ok bool) {
			if ok, err = task.Head(t.Context()); ok && err == nil {
				tried, err = true, task.Publish(t.Context(), enriched(task.Event()))
			}
			return (ok || err != nil) && !errors.Is(err, ErrFenced)
		})
		switch {
		case err == nil, tried && errors.Is(err, ErrDone):
			done++
		case !errors.Is(err, ErrEarly) && !errors.Is(err, ErrDone):
			t.Fatal(err)
		}
	}
}

func TestTheAuditFindsWhatALaterEventOfItsKeyHidesForGood(t *testing.T) {
	onServers(t, small, func(t *testing.T, _ *Embedded, c *Conn) {
		t.Helper()
		lost := event(key(1), 2)
		publish(t, c, event(key(1), 1), lost, event(key(1), 3))
		lose(t, c, lost)
		w := work(t, c)
		w.do(t, 2)
		for range 2 {
			a := newAudit(c, 0)
			eventually(t, "no event is open", func() bool { // a replica that is behind may be asked
				round(t, a)
				return a.highest > 2 && a.open.IsEmpty()
			})
			wantMissed(t, c, lost.ID)
		}
		if got := testutil.ToFloat64(c.metrics.missed.WithLabelValues()); got != 1 {
			t.Errorf("got %v events counted, want 1", got)
		}
		// The key goes on where it was.
		publish(t, c, event(key(1), 4))
		w.do(t, 1)
		eventually(t, "3 are enriched and 1 dead", func() bool {
			enriched, dead := outcomes(t, c, key(1))
			return enriched == 3 && dead == 1
		})
	})
}

func TestTheAuditFindsTheLastEventOfAKey(t *testing.T) {
	onServers(t, small, func(t *testing.T, s *Embedded, c *Conn) {
		t.Helper()
		lost := event(key(1), 2)
		publish(t, c, event(key(1), 1), lost, event(key(2), 1))
		lose(t, c, lost)
		w := work(t, c)
		w.do(t, 2)
		eventually(t, "QUEUE is empty", func() bool { return messages(t, c, queueStream) == 0 })
		// Who has been delivered nothing cannot tell it then from one that is on its way.
		a := newAudit(dial(t, s, "idle"), 0)
		eventually(t, "one event is open", func() bool {
			round(t, a)
			return a.open.GetCardinality() == 1
		})
		wantMissed(t, c)
		a = newAudit(c, 0)
		eventually(t, "no event is open", func() bool {
			round(t, a)
			return a.highest == 3 && a.open.IsEmpty()
		})
		wantMissed(t, c, lost.ID)
		eventually(t, "it is buried", func() bool {
			return len(ids(t, c, enrichedStream, events.Pattern(stageBuried, "", "", "", key(1)))) == 1
		})
		publish(t, c, event(key(1), 3))
		w.do(t, 1)
	})
}

func TestTheAuditWaitsBeforeItLooks(t *testing.T) {
	_, c := provisioned(t, small)
	lost := event(key(1), 1)
	publish(t, c, lost, event(key(1), 2))
	lose(t, c, lost)
	work(t, c).do(t, 1)
	now := time.Now()
	clock := func() time.Time { return now }
	a := newAudit(c, 2*time.Minute)
	a.now = clock
	for range 3 {
		round(t, a)
		now = now.Add(59 * time.Second)
		wantMissed(t, c)
	}
	round(t, a)
	wantMissed(t, c, lost.ID)
}

func TestTheAuditTellsARawMadeAnewFromTheOldOne(t *testing.T) {
	_, c := provisioned(t, small)
	w := work(t, c)
	publish(t, c, event(key(1), 1), event(key(1), 2), event(key(1), 3))
	w.do(t, 3)
	a := newAudit(c, 0)
	round(t, a)
	w.stop()
	if err := c.js.DeleteStream(t.Context(), rawStream); err != nil {
		t.Fatal(err)
	}
	if err := c.js.DeleteStream(t.Context(), queueStream); err != nil {
		t.Fatal(err)
	}
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	lost := event(key(1), 4)
	publish(t, c, lost, event(key(1), 5))
	lose(t, c, lost)
	work(t, c).do(t, 1)
	round(t, a)
	wantMissed(t, c, lost.ID)
}

// Many events, some lost and some late, and an audit that is made anew now and then: what is lost is found, and nothing else.
func TestTheAuditFindsAllThatIsLostAndNothingElse(t *testing.T) {
	_, c := provisioned(t, Topology{Partitions: 4})
	now := time.Now()
	clock := func() time.Time { return now }
	w := work(t, c)
	a := newAudit(c, time.Minute)
	a.now = clock
	var lost []string
	var held []*Task
	n := 0
	for range 20 {
		var all []events.Event
		for range 20 {
			n++
			all = append(all, event(key(rand.IntN(15)), n))
		}
		publish(t, c, all...)
		tasks := w.take(t, len(all))
		for _, task := range tasks {
			if rand.IntN(10) == 0 {
				lost = append(lost, task.Event().ID)
				lose(t, c, task.Event())
			} else {
				held = append(held, task)
			}
		}
		slices.SortFunc(held, func(a, b *Task) int { return int(a.queue) - int(b.queue) })
		late := len(held) / 4
		do(t, held[:len(held)-late]...)
		held = held[len(held)-late:]
		now = now.Add(time.Duration(rand.IntN(50)) * time.Second)
		if rand.IntN(4) == 0 {
			a = newAudit(c, time.Minute)
			a.now = clock
		}
		round(t, a)
	}
	do(t, held...)
	last := event(key(20), n+1)
	publish(t, c, last)
	w.do(t, 1)
	for range 3 {
		now = now.Add(2 * time.Minute)
		round(t, a)
	}
	got := missedLetters(t, c)
	slices.Sort(got)
	slices.Sort(lost)
	if !slices.Equal(got, lost) {
		t.Errorf("got %d letters, want one for each of %d lost events\n got %v\nwant %v", len(got), len(lost), got, lost)
	}
	if got := a.open.GetCardinality(); got != 0 {
		t.Errorf("got %d events open, want none", got)
	}
	if got := int(messages(t, c, queueStream)); got != 0 {
		t.Errorf("QUEUE: got %d, want 0", got)
	}
}

func TestOneOfManyAudits(t *testing.T) {
	s, c := provisioned(t, small)
	var all []*Conn
	for n := range 3 {
		other := dial(t, s, fmt.Sprintf("enricher-%d", n))
		work(t, other)
		all = append(all, other)
	}
	auditing := func() (n int) {
		for _, c := range all {
			if c.audits.Load() {
				n++
			}
		}
		return n
	}
	eventually(t, "one of them audits", func() bool { return auditing() == 1 && known(all[0]) == 3 && known(all[1]) == 3 && known(all[2]) == 3 })
	if c.audits.Load() {
		t.Error("one that takes no tasks audits")
	}
	if err := all[0].Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// Under load ENRICHED has always stored more by the time that it was read.
func TestARoundOfTheAuditEndsWhileMoreIsStored(t *testing.T) {
	_, c := provisioned(t, small)
	lost := event(key(1), 1)
	publish(t, c, lost, event(key(1), 2))
	lose(t, c, lost)
	work(t, c).do(t, 1)
	ctx, stop := context.WithCancel(t.Context())
	var storing sync.WaitGroup
	defer storing.Wait()
	defer stop()
	storing.Go(func() {
		for ctx.Err() == nil {
			_ = c.writeEnded(ctx, origin{"of another RAW", 1})
		}
	})
	eventually(t, "more is stored", func() bool { return messages(t, c, enrichedStream) > 10 })
	within, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := newAudit(c, 0).round(within); err != nil {
		t.Fatalf("audit: %v", err)
	}
	wantMissed(t, c, lost.ID)
}
