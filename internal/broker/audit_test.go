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

	"github.com/nats-io/nats.go"
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
		// Who has been delivered nothing cannot tell it from one that is on its way.
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

// Nothing comes after it: that it was delivered tells that it is not on its way.
func TestTheAuditFindsTheLastEventOfAll(t *testing.T) {
	_, c := provisioned(t, small)
	lost := event(key(1), 1)
	publish(t, c, lost)
	a := newAudit(c, 0)
	round(t, a)
	wantMissed(t, c)
	work(t, c).take(t, 1)
	round(t, a)
	wantMissed(t, c)
	lose(t, c, lost)
	round(t, a)
	wantMissed(t, c, lost.ID)
}

// It was lost to QUEUE and yet somebody has it: there is one outcome or the other.
func TestWhatTheAuditBuriesIsNotPublishedToo(t *testing.T) {
	_, c := provisioned(t, small)
	late := event(key(1), 1)
	publish(t, c, late, event(key(2), 1))
	tasks := work(t, c).take(t, 2)
	slices.SortFunc(tasks, func(a, b *Task) int { return int(a.origin.seq) - int(b.origin.seq) })
	eventually(t, "it is the head", func() bool { return head(t, tasks[0]) })
	lose(t, c, late)
	do(t, tasks[1])
	round(t, newAudit(c, 0))
	wantMissed(t, c, late.ID)
	if err := tasks[0].Publish(t.Context(), enriched(late)); err == nil {
		t.Error("Publish of what was buried: got no error")
	}
	if enriched, dead := outcomes(t, c, key(1)); enriched != 0 || dead != 1 {
		t.Errorf("got %d enriched and %d dead, want 0 and 1", enriched, dead)
	}
}

func TestTheAuditLeavesAloneWhatIsToCome(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(1), 2), event(key(2), 1))
	tasks := work(t, c).take(t, 3)
	for _, task := range tasks {
		if task.key() == key(2) {
			do(t, task)
		}
	}
	a := newAudit(c, 0)
	round(t, a)
	if got := a.open.GetCardinality(); got != 2 {
		t.Errorf("got %d events open, want 2", got)
	}
	wantMissed(t, c)
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

func TestTheAuditLooksForNothingThatRawHasLetGoOf(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(1), 2), event(key(1), 3), event(key(1), 4))
	for n := range 3 {
		lose(t, c, event(key(1), n+1))
	}
	raw, err := c.js.Stream(t.Context(), rawStream)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{1, 3} {
		if err := raw.DeleteMsg(t.Context(), seq); err != nil {
			t.Fatal(err)
		}
	}
	work(t, c).do(t, 1)
	a := newAudit(c, 0)
	round(t, a)
	wantMissed(t, c, event(key(1), 2).ID)
	if got := a.open.GetCardinality(); got != 0 {
		t.Errorf("got %d events open, want none", got)
	}
}

// RAW can hold an event twice, when Twilio sends it again after the duplicate window. ENRICHED may know its id still.
func TestTheAuditKnowsAnEventThatRawHoldsTwice(t *testing.T) {
	_, c := provisioned(t, Topology{Partitions: 2, Duplicates: time.Minute})
	twice := event(key(1), 1)
	publish(t, c, twice)
	again, err := rawMessage(t.Context(), twice)
	if err != nil {
		t.Fatal(err)
	}
	again.Header.Del(jetstream.MsgIDHeader)
	if _, err := c.js.PublishMsg(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(2), 1))
	tasks := work(t, c).take(t, 3)
	slices.SortFunc(tasks, func(a, b *Task) int { return int(a.origin.seq) - int(b.origin.seq) })
	do(t, tasks...)
	a := newAudit(c, 0)
	round(t, a)
	wantMissed(t, c)
}

func TestCorruptMessagesAreNotMissed(t *testing.T) {
	_, c := provisioned(t, small)
	for n := range 2 {
		m := nats.NewMsg(event(key(n), 1).Subject(events.StageRaw))
		m.Data = fmt.Appendf(nil, "not an envelope %d", n)
		if _, err := c.js.PublishMsg(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if n == 1 {
			eventually(t, "QUEUE has it", func() bool { return messages(t, c, queueStream) == 2 })
			queue, err := c.js.Stream(t.Context(), queueStream)
			if err != nil {
				t.Fatal(err)
			}
			if err := queue.DeleteMsg(t.Context(), 2); err != nil {
				t.Fatal(err)
			}
		}
	}
	publish(t, c, event(key(3), 1))
	work(t, c).do(t, 1)
	eventually(t, "QUEUE is empty", func() bool { return messages(t, c, queueStream) == 0 })
	for range 2 {
		a := newAudit(c, 0)
		for range 2 {
			round(t, a)
		}
		if got := a.open.GetCardinality(); got != 0 {
			t.Errorf("got %d events open, want none", got)
		}
		var reasons []events.Reason
		for b, err := range c.DeadLetters(t.Context(), DeadFilter{}) {
			if err != nil {
				t.Fatal(err)
			}
			reasons = append(reasons, b.Letter.Reason)
		}
		if want := []events.Reason{events.ReasonCorrupt, events.ReasonCorrupt}; !slices.Equal(reasons, want) {
			t.Fatalf("letters: got %v, want %v: the one that was delivered and the one that was lost", reasons, want)
		}
	}
	if got := testutil.ToFloat64(c.metrics.missed.WithLabelValues()); got != 1 {
		t.Errorf("got %v messages counted, want the one that was lost", got)
	}
}

// The process that audits may die at any step.
func TestAnotherAuditFinishesWhatOneBegan(t *testing.T) {
	for name, begun := range map[string]func(*testing.T, *Conn, events.DeadLetter, origin){
		"before the letter": func(t *testing.T, c *Conn, d events.DeadLetter, o origin) {
			t.Helper()
			if _, _, err := c.storeBurial(t.Context(), d, o, 0); err != nil {
				t.Fatal(err)
			}
		},
		"after the letter": func(t *testing.T, c *Conn, d events.DeadLetter, o origin) {
			t.Helper()
			if err := c.endUnderFence(t.Context(), d, o, 0); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := provisioned(t, small)
			lost := event(key(1), 1)
			publish(t, c, lost, event(key(2), 1))
			lose(t, c, lost)
			task := work(t, c).take(t, 1)[0]
			do(t, task)
			begun(t, c, c.missedLetter(lost), origin{task.origin.epoch, 1})
			a := newAudit(c, 0)
			round(t, a)
			round(t, a)
			wantMissed(t, c, lost.ID)
		})
	}
}

func TestAnAuditGoesOnWhereTheLastOneWas(t *testing.T) {
	_, c := provisioned(t, small)
	now := time.Now()
	clock := func() time.Time { return now }
	w := work(t, c)
	publish(t, c, event(key(1), 1), event(key(1), 2))
	w.do(t, 2)
	a := newAudit(c, time.Minute) // which writes down how far all is done, once a minute
	a.now = clock
	round(t, a)
	publish(t, c, event(key(1), 3), event(key(2), 1))
	tasks := w.take(t, 2)
	for _, task := range tasks {
		if task.key() == key(2) {
			do(t, task)
		}
	}
	round(t, a) // 3 is open, and what is beyond it is no floor
	again := newAudit(c, time.Minute)
	again.now = clock
	if _, err := again.orient(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again.highest != 2 || again.read != 2 {
		t.Errorf("it begins after event %d and outcome %d, want 2 and 2", again.highest, again.read)
	}
	round(t, again)
	if got := again.open.ToArray(); !slices.Equal(got, []uint64{3}) {
		t.Errorf("got %v open, want 3", got)
	}
	for _, task := range tasks {
		if task.key() == key(1) {
			do(t, task)
		}
	}
	now = now.Add(2 * time.Minute)
	round(t, again)
	last := newAudit(c, time.Minute)
	last.now = clock
	if _, err := last.orient(t.Context()); err != nil {
		t.Fatal(err)
	}
	if last.highest != 4 {
		t.Errorf("it begins after event %d, want 4", last.highest)
	}
	wantMissed(t, c)
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

// More happens on a busy key between any two questions.
func TestTheAuditFindsWhatABusyKeyHides(t *testing.T) {
	_, c := provisioned(t, small)
	lost := event(key(1), 1)
	publish(t, c, lost, event(key(1), 2), event(key(1), 3))
	lose(t, c, lost)
	tasks := work(t, c).take(t, 2)
	slices.SortFunc(tasks, func(a, b *Task) int { return int(a.queue) - int(b.queue) })
	do(t, tasks[0])
	a := newAudit(c, 0)
	end, err := a.orient(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	a.reach(a.taken)
	if err := a.catchUp(t.Context(), end); err != nil {
		t.Fatal(err)
	}
	do(t, tasks[1])
	if err := a.lookInto(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantMissed(t, c, lost.ID)
}

func TestOneEventThatCannotBeBuriedDoesNotStopTheAudit(t *testing.T) {
	_, c := provisioned(t, small)
	stuck, lost := event(key(1), 1), event(key(2), 1)
	publish(t, c, stuck, lost, event(key(1), 2), event(key(2), 2))
	lose(t, c, stuck)
	lose(t, c, lost)
	work(t, c).do(t, 2)
	dead := small.withDefaults().dead()
	dead.Subjects = []string{"rollcall.dead.*.*.*." + key(2)}
	if _, err := c.js.UpdateStream(t.Context(), dead); err != nil {
		t.Fatal(err)
	}
	a := newAudit(c, 0)
	if err := a.round(t.Context()); err == nil {
		t.Error("got no error of a letter that DEAD does not take")
	}
	round(t, a)
	wantMissed(t, c, lost.ID)
}

// What was in an ENRICHED that is gone, or was removed from it, cannot be told from what never was.
func TestTheAuditTakesNothingForLostOfWhichEnrichedHasLostTheOutcome(t *testing.T) {
	for name, forget := range map[string]func(*testing.T, *Conn) error{
		"made anew": func(t *testing.T, c *Conn) error {
			t.Helper()
			return errors.Join(c.js.DeleteStream(t.Context(), enrichedStream), c.Provision(t.Context(), small))
		},
		"purged": func(t *testing.T, c *Conn) error {
			t.Helper()
			s, err := c.js.Stream(t.Context(), enrichedStream)
			return errors.Join(err, s.Purge(t.Context()))
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := provisioned(t, small)
			publish(t, c, event(key(1), 1), event(key(2), 1), event(key(1), 2))
			w := work(t, c)
			w.do(t, 3)
			if err := forget(t, c); err != nil {
				t.Fatal(err)
			}
			c.checkpoints.drop(key(1)) // else the next publication finds out
			all := []*audit{newAudit(c, 0), newAudit(c, 0)}
			for _, a := range all {
				round(t, a)
				round(t, a)
			}
			lost := event(key(1), 3)
			publish(t, c, lost, event(key(1), 4))
			for _, task := range w.take(t, 2) {
				if task.Event().ID == lost.ID {
					lose(t, c, lost)
				} else {
					do(t, task)
				}
			}
			for _, a := range append(all, newAudit(c, 0)) {
				round(t, a)
				round(t, a)
			}
			wantMissed(t, c, lost.ID)
		})
	}
}

// A process can go on for some time without noticing. What QUEUE held is then on its way once more.
func TestTheAuditDoesNotTrustWhatAnEarlierQueueDelivered(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(2), 1))
	w := work(t, c)
	tasks := w.take(t, 2)
	w.stop()
	a := newAudit(c, 0)
	round(t, a)
	queue, err := c.askLeader(t.Context(), queueStream)
	if err != nil {
		t.Fatal(err)
	}
	epoch := tasks[0].origin.epoch
	if got := c.furthest(epoch, queue); got != 2 {
		t.Errorf("QUEUE has delivered up to %d, want 2", got)
	}
	for n := range uint64(2) { // as after a power cut
		queue.State.LastSeq = n
		if got := c.furthest(epoch, queue); got > n {
			t.Errorf("a QUEUE of %d messages has delivered up to %d", n, got)
		}
	}
	anew := small.withDefaults().queue()
	anew.Sources, anew.Subjects = nil, []string{"rollcall.queue.>"} // stands for one that has taken nothing from RAW yet
	if err := c.js.DeleteStream(t.Context(), queueStream); err != nil {
		t.Fatal(err)
	}
	if _, err := c.js.CreateStream(t.Context(), anew); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.js.Publish(t.Context(), "rollcall.queue.0."+key(3), nil); err != nil {
			t.Fatal(err)
		}
	}
	if passed, err := a.passed(t.Context(), tasks[0].origin); passed || err != nil {
		t.Errorf("QUEUE was made anew during a round and has delivered the event: got %v, %v, want false, nil", passed, err)
	}
	round(t, a)
	round(t, a)
	wantMissed(t, c)
}

// Each new audit reads again what came after the oldest open event.
func TestALetterOfTheAuditThatWasRemovedDoesNotComeBack(t *testing.T) {
	_, c := provisioned(t, small)
	lost := event(key(2), 1)
	publish(t, c, event(key(1), 1), lost, event(key(3), 1))
	lose(t, c, lost)
	work(t, c).take(t, 2)
	a := newAudit(c, 0)
	round(t, a)
	round(t, a)
	wantMissed(t, c, lost.ID)
	if err := c.RemoveDead(t.Context(), c.DeadLetters(t.Context(), DeadFilter{}), func(Buried) {}); err != nil {
		t.Fatal(err)
	}
	round(t, newAudit(c, 0))
	// Nor is one published that its id alone keeps out of DEAD, for a while.
	if got := testutil.ToFloat64(c.metrics.publishes.WithLabelValues(string(events.StageDead), string(outcomeDuplicate))); got != 0 {
		t.Errorf("another audit published the letter again, %v times", got)
	}
	wantMissed(t, c)
}

// Whoever provides the streams may be a version behind.
func TestACorruptMessageHoldsUpNothingWhereEnrichedTakesNoNotesOfAudits(t *testing.T) {
	_, c := provisioned(t, small)
	cfg := small.withDefaults().enriched()
	cfg.Subjects = slices.DeleteFunc(cfg.Subjects, func(s string) bool { return s == auditSubjects })
	if _, err := c.js.UpdateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	m := nats.NewMsg(event(key(1), 1).Subject(events.StageRaw))
	m.Data = []byte("not an envelope")
	if _, err := c.js.PublishMsg(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	publish(t, c, event(key(1), 2))
	task := work(t, c).take(t, 1)[0]
	eventually(t, "the corrupt message is out of QUEUE", func() bool { return messages(t, c, queueStream) == 1 })
	do(t, task)
	// Nobody knows what became of it, once notes are taken. An audit comes to the same end with it.
	if _, err := c.js.UpdateStream(t.Context(), small.withDefaults().enriched()); err != nil {
		t.Fatal(err)
	}
	round(t, newAudit(c, 0))
	if got := messages(t, c, deadStream); got != 1 {
		t.Errorf("DEAD: got %d letters, want 1", got)
	}
}

// A backlog is not held up by it.
func TestTheAuditIsPutOffWhileManyEventsWait(t *testing.T) {
	_, c := provisioned(t, small)
	a := newAudit(c, 0)
	now := time.Now()
	a.now = func() time.Time { return now }
	lost := event(key(1), 1)
	publish(t, c, lost, event(key(1), 2))
	lose(t, c, lost)
	w := work(t, c)
	w.do(t, 1)
	w.stop()
	for n := range auditBacklog + 1 {
		publish(t, c, event(key(2), n))
	}
	eventually(t, "QUEUE has them", func() bool { return messages(t, c, queueStream) > auditBacklog })
	round(t, a)
	wantMissed(t, c)
	now = now.Add(auditPutOff)
	round(t, a)
	wantMissed(t, c, lost.ID)
}

// What waits for long, while Twilio is away say, is looked into over and over.
func TestTheAuditFindsWhatIsLostAmongManyThatWait(t *testing.T) {
	_, c := provisioned(t, small)
	all := make([]events.Event, auditMessages+2*auditLooks)
	for n := range all {
		all[n] = event(key(n), 1)
	}
	publish(t, c, all...)
	lost := all[len(all)-2]
	lose(t, c, lost)
	// Nobody has been given any of them: that QUEUE holds later ones tells that it is not on its way.
	a := newAudit(c, 0)
	round(t, a)
	wantMissed(t, c, lost.ID)
	if got, want := a.open.GetCardinality(), uint64(len(all)-1); got != want {
		t.Errorf("got %d events open, want the %d that wait", got, want)
	}
}
