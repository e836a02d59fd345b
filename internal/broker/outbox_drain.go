package broker

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

const (
	drainTimeout  = 5 * time.Second        // for one message
	removeTimeout = 10 * time.Second       // for all that was moved
	drainEvery    = 10 * time.Second       // look, even when nothing was said to be kept
	settleTimeout = 250 * time.Millisecond // for the disk's answer, while nothing new may go there
)

// Run drains the store into NATS, oldest first, until ctx is done; it then returns nil. A message leaves the disk once NATS has
// acknowledged it. One that NATS refuses stays, and all that follows on its key; that of other keys goes on.
func (o *Outbox) Run(ctx context.Context) error {
	var mending sync.WaitGroup
	mending.Go(func() { o.mending(ctx) })
	defer mending.Wait()

	var wait backoff
	p, failing := new(drainPass), false
	for ctx.Err() == nil {
		reconnected := o.conn.nextConnection()
		err := o.drain(ctx, p)
		if p.freed {
			wait.reset()
		}
		why := p.trouble(err)
		if why != nil && ctx.Err() == nil && !failing {
			o.log.Warn("the outbox cannot be drained yet", "error", why)
		}
		failing = why != nil
		switch {
		case err != nil:
			wait.sleep(ctx, reconnected)
		case why != nil:
			o.drainBehind(ctx, p, func(ctx context.Context) { wait.sleep(ctx, reconnected) })
		default:
			if o.settled(ctx) {
				wait.reset()
			}
			o.idle(ctx)
		}
		p = p.following(err)
	}
	return nil
}

// drainBehind goes on with p behind what is stuck, for as long as wait waits.
func (o *Outbox) drainBehind(ctx context.Context, p *drainPass, wait func(context.Context)) {
	draining, stop := context.WithCancel(ctx)
	var behind sync.WaitGroup
	behind.Go(func() {
		for {
			select {
			case <-o.wake:
			case <-draining.Done():
				return
			}
			if err := o.drain(draining, p); err != nil {
				return // the next pass tells
			}
		}
	})
	wait(ctx)
	stop()
	behind.Wait()
}

// settled reports whether nothing waits, and lets new events go to NATS directly when so. It is asked for the last time while nothing is on its
// way to disk. A write that is under way is not waited for, and says when it ends: who waited would keep out those that come after it, however
// slow it is. Only for as long as the last question takes they are kept out.
func (o *Outbox) settled(ctx context.Context) bool {
	if !o.waiting.Load() {
		return true
	}
	if !o.isEmpty(ctx) || !o.keeping.TryAcquire(keepers) {
		return false
	}
	defer o.keeping.Release(keepers)
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	if !o.isEmpty(ctx) {
		return false
	}
	o.waiting.Store(false)
	o.log.Info("the outbox is empty: events go to NATS directly")
	return true
}

// isEmpty asks whether the disk holds nothing. Where it does, or does not answer, Run is to look again.
func (o *Outbox) isEmpty(ctx context.Context) bool {
	state, err := o.state(ctx)
	if err == nil && state.Msgs == 0 {
		return true
	}
	o.signal()
	return false
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

// drain goes on with p to the end of the disk. An error says why it did not come there, other than that some keys are stuck.
func (o *Outbox) drain(ctx context.Context, p *drainPass) error {
	for {
		w, err := o.oldest(ctx, p)
		if err != nil {
			return err
		}
		if len(w.messages) == 0 {
			p.next = w.end
			return nil
		}
		if !o.conn.nc.IsConnected() {
			return nats.ErrDisconnected
		}
		if err := o.move(ctx, p, w); err != nil {
			return err
		}
	}
}

// move moves what can be moved of w.
func (o *Outbox) move(ctx context.Context, p *drainPass, w *window) error {
	sending, stop := o.conn.whileConnected(ctx)
	n, err := w.move(ctx, func(_ context.Context, m *jetstream.RawStreamMsg) error { return o.forward(sending, m) })
	stop()
	if n > 0 {
		if err := o.remove(ctx, p, w); err != nil {
			return err
		}
		p.moved(w)
		o.metrics.drained.Add(float64(n))
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if w.away.Load() { // what has not been moved need not be stuck
		return cmp.Or(err, nats.ErrDisconnected)
	}
	return p.leave(w, err)
}

// whileConnected returns a context that ends when the connection is next made again, and not with ctx: what was under way on the last
// connection is not acknowledged on this one. stop must be called.
func (c *Conn) whileConnected(ctx context.Context) (connected context.Context, stop func()) {
	connected, cancel := context.WithCancel(context.WithoutCancel(ctx))
	reconnected := c.nextConnection()
	go func() {
		select {
		case <-reconnected:
			cancel()
		case <-connected.Done():
		}
	}()
	return connected, cancel
}

// oldest reads the first messages that p has not come to.
func (o *Outbox) oldest(ctx context.Context, p *drainPass) (*window, error) {
	var messages []*jetstream.RawStreamMsg
	bytes, next := 0, max(p.next, 1)
	for len(messages) < windowMessages && bytes < windowBytes {
		batch, err := o.disk.readBatch(ctx, outboxStream, batchRequest{Subject: ">", Seq: next})
		if err != nil {
			return nil, fmt.Errorf("read from the outbox: %w", err)
		}
		if len(batch) == 0 {
			break
		}
		for _, m := range batch {
			if !p.isStuck(m) {
				messages, bytes = append(messages, m), bytes+len(m.Data)
			}
		}
		next = batch[len(batch)-1].Sequence + 1
	}
	return newWindow(messages, next), nil
}

// forward sends one message. ctx is not to end for being shut down: what NATS has would be sent again by the next process, perhaps
// when its id is forgotten.
func (o *Outbox) forward(ctx context.Context, kept *jetstream.RawStreamMsg) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	m := &nats.Msg{Subject: kept.Subject, Header: ownHeaders(kept.Header), Data: kept.Data}
	_, err := o.conn.store(ctx, m)
	if isTooLarge(err) {
		return o.forwardLetter(ctx, m)
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

// forwardLetter buries a message that this disk could take and NATS, whose limit is lower than expected, cannot. Without
// it the message would hold up all others for ever. What does not fit into the letter is lost.
func (o *Outbox) forwardLetter(ctx context.Context, m *nats.Msg) error {
	letter := o.letterOf(m)
	o.log.Error("a message from the outbox is too large for NATS: it becomes a dead letter, without its content where that does not fit", "bytes", len(m.Data), "reason", letter.Reason)
	return o.conn.PublishDead(ctx, letter)
}

// letterOf is the letter that m is, or else one about what m holds. What cannot be read, as what another version has left, say, has one too: no later
// try would read it.
func (o *Outbox) letterOf(m *nats.Msg) events.DeadLetter {
	if letter, err := events.DecodeDead(m.Data); err == nil {
		return letter
	}
	now := o.conn.now().UTC()
	if event, err := events.DecodeRaw(m.Data); err == nil {
		return event.Letter(events.ReasonTooLarge, now)
	}
	return events.DeadLetter{ID: events.Digest(m.Data), Reason: events.ReasonCorrupt, Detail: "it cannot be read", FailedAt: now, Body: m.Data}
}

// remove takes what w has moved off the disk: what stayed would be sent again, and be a second event when NATS
// has forgotten its id by then. So this too is finished when being shut down.
func (o *Outbox) remove(ctx context.Context, p *drainPass, w *window) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTimeout)
	defer cancel()
	if w.done() && len(p.stuck) == 0 {
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
		o.doubt()
		return fmt.Errorf("remove from the outbox: %w", err)
	}
	return nil
}
