package broker

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

const (
	drainTimeout  = 5 * time.Second  // for one message
	removeTimeout = 10 * time.Second // for all that was moved
	drainEvery    = 10 * time.Second // look, even when nothing was said to be kept
)

// Run drains the store into NATS, oldest first, until ctx is done; it then returns nil. A message leaves the disk once NATS has
// acknowledged it.
func (o *Outbox) Run(ctx context.Context) error {
	var wait backoff
	failing := false
	for ctx.Err() == nil {
		again := o.conn.nextConnection()
		n, err := o.drain(ctx)
		if n > 0 {
			wait.reset()
		}
		if err != nil && ctx.Err() == nil && !failing {
			o.log.Warn("the outbox cannot be drained yet", "error", err)
		}
		failing = err != nil
		switch {
		case err != nil:
			wait.sleep(ctx, again)
		case n == 0 && o.settled(ctx):
			o.idle(ctx)
		}
	}
	return nil
}

// settled reports whether nothing waits, and lets new events go to NATS directly when so. Both under the
// lock: nothing is on its way to disk then.
func (o *Outbox) settled(ctx context.Context) bool {
	if !o.waiting.Load() {
		return true
	}
	o.keeping.Lock()
	defer o.keeping.Unlock()
	state, err := o.state(ctx)
	if err != nil || state.Msgs > 0 {
		return false
	}
	o.waiting.Store(false)
	o.full.Store(false)
	o.log.Info("the outbox is empty: events go to NATS directly")
	return true
}

func (o *Outbox) idle(ctx context.Context) {
	t := time.NewTimer(drainEvery)
	defer t.Stop()
	select {
	case <-o.wake:
	case <-t.C: // a write that was given up may have come through
	case <-ctx.Done():
	}
}

// drain moves the oldest messages, and returns how many.
func (o *Outbox) drain(ctx context.Context) (int, error) {
	w, err := o.oldest(ctx)
	if err != nil || len(w.messages) == 0 {
		return 0, err
	}
	if !o.conn.nc.IsConnected() {
		return 0, nats.ErrDisconnected
	}
	n, err := w.move(ctx, o.forward)
	if n > 0 {
		if err := o.remove(ctx, w); err != nil {
			return 0, err
		}
		o.metrics.drained.Add(float64(n))
		o.full.Store(false)
	}
	return n, err
}

// oldest reads the first messages.
func (o *Outbox) oldest(ctx context.Context) (*window, error) {
	var messages []*jetstream.RawStreamMsg
	bytes := 0
	for seq := uint64(1); len(messages) < windowMessages && bytes < windowBytes; {
		batch, err := o.disk.readBatch(ctx, outboxStream, batchRequest{Subject: ">", Seq: seq})
		if err != nil {
			return nil, fmt.Errorf("read from the outbox: %w", err)
		}
		if len(batch) == 0 {
			break
		}
		for _, m := range batch {
			bytes += len(m.Data)
		}
		messages = append(messages, batch...)
		seq = batch[len(batch)-1].Sequence + 1
	}
	return newWindow(messages), nil
}

// forward sends one message. One that is under way is not given up for being shut down: what NATS has would
// be sent again by the next process, perhaps when its id is forgotten.
func (o *Outbox) forward(ctx context.Context, kept *jetstream.RawStreamMsg) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTimeout)
	defer cancel()
	m := &nats.Msg{Subject: kept.Subject, Header: ownHeaders(kept.Header), Data: kept.Data}
	_, err := o.conn.store(ctx, m)
	if isTooLarge(err) {
		return o.forwardShortened(ctx, m)
	}
	return err
}

// ownHeaders leaves out what a server has said about the message.
func ownHeaders(h nats.Header) nats.Header {
	own := make(nats.Header, len(h))
	for name, values := range h {
		if name == jetstream.MsgIDHeader || !strings.HasPrefix(name, "Nats-") {
			own[name] = values
		}
	}
	return own
}

// forwardShortened buries a message that this disk could take and NATS, whose limit is lower than
// expected, cannot. Without it the message would hold up all others for ever; its content is lost.
func (o *Outbox) forwardShortened(ctx context.Context, m *nats.Msg) error {
	letter, err := events.DecodeDead(m.Data)
	if err != nil {
		event, err := events.DecodeRaw(m.Data)
		if err != nil {
			return fmt.Errorf("bury what is too large for NATS: %w", err)
		}
		letter = events.DeadLetter{ID: event.ID, Reason: events.ReasonTooLarge, Event: &event, FailedAt: o.conn.now().UTC(), Feed: event.Feed, Account: event.Account}
	}
	o.log.Error("a message from the outbox is too large for NATS: it is buried without its content", "bytes", len(m.Data))
	return o.conn.PublishDead(ctx, letter.Shortened())
}

// remove takes what w has moved off the disk: what stayed would be sent again, and be a second event when NATS
// has forgotten its id by then. So this too is finished when being shut down.
func (o *Outbox) remove(ctx context.Context, w *window) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if w.done() {
		return o.removeUpTo(ctx, w.messages[len(w.messages)-1].Sequence, "rollcall.>")
	}
	for _, l := range w.lanes {
		if l.moved == 0 {
			continue
		}
		if err := o.removeUpTo(ctx, l.messages[l.moved-1].Sequence, "*.*.*.*.*."+l.key); err != nil {
			return err
		}
	}
	return nil
}

// removeUpTo removes what is on subject, up to seq. It names a subject also where it means all: a purge by sequence alone takes another
// way through nats-server (2.15.2), which loses count of a block whose end was removed before, and then
// removes messages that came later.
func (o *Outbox) removeUpTo(ctx context.Context, seq uint64, subject string) error {
	if err := o.stream.Purge(ctx, jetstream.WithPurgeSubject(subject), jetstream.WithPurgeSequence(seq+1)); err != nil {
		return fmt.Errorf("remove from the outbox: %w", err)
	}
	return nil
}
