package broker

import (
	"testing"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

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
