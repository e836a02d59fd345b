package broker

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/rollcall-events/rollcall/events"
)

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
