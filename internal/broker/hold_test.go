package broker

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

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
