package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

const (
	drainBatch   = 128
	drainTimeout = 5 * time.Second  // for one message
	drainEvery   = 10 * time.Second // look, even when nothing was said to be kept
)

// Run drains the store into NATS, oldest first, until ctx is done; it then returns nil. A message leaves the disk once NATS has
// acknowledged it.
func (o *Outbox) Run(ctx context.Context) error {
	var wait backoff
	failing := false
	for ctx.Err() == nil {
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
			wait.sleep(ctx)
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

// drain moves the oldest messages, and returns how many. Those of one batch are on different keys, so that they may
// be published side by side; after a failure, the batch is done up to there, and what
// came through behind it is published again and dropped as a duplicate.
func (o *Outbox) drain(ctx context.Context) (int, error) {
	batch, err := o.oldest(ctx)
	if err != nil || len(batch) == 0 {
		return 0, err
	}
	if !o.conn.nc.IsConnected() {
		return 0, nats.ErrDisconnected
	}
	errs := make([]error, len(batch))
	var wg sync.WaitGroup
	for i, m := range batch {
		wg.Go(func() { errs[i] = o.forward(ctx, m) })
	}
	wg.Wait()

	n := 0
	for n < len(errs) && errs[n] == nil {
		n++
	}
	if n > 0 {
		if err := o.remove(ctx, batch[n-1].Sequence); err != nil {
			return 0, err
		}
		o.metrics.drained.Add(float64(n))
		o.full.Store(false)
	}
	return n, errors.Join(errs...)
}

// oldest returns the first messages up to one whose key is among them.
func (o *Outbox) oldest(ctx context.Context) ([]*jetstream.RawStreamMsg, error) {
	var batch []*jetstream.RawStreamMsg
	keys := make(map[string]struct{})
	for seq := uint64(1); len(batch) < drainBatch; {
		m, err := o.stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read from the outbox: %w", err)
		}
		key := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
		if _, ok := keys[key]; ok {
			break
		}
		keys[key] = struct{}{}
		batch = append(batch, m)
		seq = m.Sequence + 1
	}
	return batch, nil
}

func (o *Outbox) forward(ctx context.Context, kept *jetstream.RawStreamMsg) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
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

// remove takes everything up to seq off the disk.
func (o *Outbox) remove(ctx context.Context, seq uint64) error {
	// Messages that NATS has must not stay for being shut down just now.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), keepTimeout)
	defer cancel()
	if err := o.stream.Purge(ctx, jetstream.WithPurgeSequence(seq+1)); err != nil {
		return fmt.Errorf("remove from the outbox: %w", err)
	}
	return nil
}
