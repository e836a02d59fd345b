package broker

import (
	"errors"
	"testing"
	"time"
)

// identity is a guess at what the server does: this is the server.
func TestTheServerCallsRawByItsIdentity(t *testing.T) {
	onServers(t, small, func(t *testing.T, _ *Embedded, c *Conn) {
		t.Helper()
		publish(t, c, event(key(1), 1))
		raw, err := c.askLeader(t.Context(), rawStream)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := identity(raw.Created), work(t, c).take(t, 1)[0].origin.epoch; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// A server of a later version may call it otherwise: the audit is not to be off without a word.
func TestTheAuditTellsThatItCannotTellOutcomesApart(t *testing.T) {
	_, c := provisioned(t, small)
	a := newAudit(c, 0)
	a.identity = func(time.Time) string { return "another" }
	publish(t, c, event(key(1), 1))
	round(t, a) // there is no outcome yet
	work(t, c).do(t, 1)
	for range 2 {
		if err := a.round(t.Context()); !errors.Is(err, errIdentity) {
			t.Errorf("got %v, want that the server names RAW in another way", err)
		}
	}
}

// What the RAW before has left is done after RAW was made anew.
func TestTheAuditIsNotMisledByTheEventsOfAnEarlierRaw(t *testing.T) {
	_, c := provisioned(t, small)
	publish(t, c, event(key(1), 1), event(key(2), 1))
	w := work(t, c)
	old := w.take(t, 2)
	if err := c.js.DeleteStream(t.Context(), rawStream); err != nil {
		t.Fatal(err)
	}
	if err := c.Provision(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	a := newAudit(c, 0)
	do(t, old[0])
	round(t, a) // RAW holds nothing there
	publish(t, c, event(key(3), 1), event(key(3), 2))
	do(t, old[1])
	round(t, a) // RAW holds another event there
	w.do(t, 2)
	round(t, a)
	if a.last.epoch != a.epoch {
		t.Errorf("the last publication names %q, want the new RAW, %q", a.last.epoch, a.epoch)
	}
	wantMissed(t, c)
}
