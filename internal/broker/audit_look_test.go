package broker

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

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
