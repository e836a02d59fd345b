package broker

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"

	"github.com/rollcall-events/rollcall/events"
)

// How much one round looks into, and one look reads.
const (
	auditLooks   = 50
	auditTimeout = time.Minute
)

// lookInto looks into what has been open for long enough, some of it: the next round goes on where this one ends.
func (a *audit) lookInto(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, auditTimeout)
	defer cancel()
	ripe := a.open.Clone()
	ripe.RemoveRange(a.ripe()+1, math.MaxUint64)
	if ripe.GetCardinality() > auditLooks {
		if err := a.walkQueue(ctx); err != nil {
			return err
		}
		ripe.AndNot(a.waiting.all)
	}
	ripe.RemoveRange(0, a.next)
	doubtful := ripe.ToArray()
	doubtful = doubtful[:min(len(doubtful), auditLooks)]
	for _, seq := range doubtful {
		a.next = seq + 1 // whatever comes of this one: it must not stand before the others
		if err := a.look(ctx, origin{a.epoch, seq}); err != nil {
			return err
		}
	}
	if len(doubtful) < auditLooks {
		a.next = 0
	}
	return nil
}

// look finds out what has become of the event at o, which is open, and makes it a dead letter if it was lost.
//
// Its outcome must not have been removed from ENRICHED: see audit.since. And it must not be in QUEUE, as the leader says: what is there is yet to come. Then
// there are two cases.
//   - The key's checkpoint covers o: somebody has finished a later event on the key. Nobody will finish this one any more, since the fence refuses whoever is
//     at it, and whoever is given it finds it done. So if it has no outcome up to that checkpoint it never will have.
//   - It does not. The event may still be on its way, unless QUEUE, as it was all the time since this round began, has taken what is behind it in RAW, or it. Then
//     it is buried as any other is, under the fence: should it turn up all the same, it has one outcome or the other.
func (a *audit) look(ctx context.Context, o origin) error {
	m, err := a.conn.getFromLeader(ctx, rawStream, o.seq, rawSubjects)
	switch {
	case err != nil:
		return err
	case m == nil, m.Time.Before(a.since):
		a.open.Remove(o.seq)
		return nil
	case m.Sequence > o.seq: // it has aged, or was removed, with all up to there
		a.open.RemoveRange(o.seq, m.Sequence)
		return nil
	}
	key := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	if queued, err := a.conn.mayBeQueued(ctx, key, o); err != nil || queued {
		return err
	}
	cp, err := a.conn.readCheckpoint(ctx, key)
	if err != nil {
		return err
	}
	if !cp.covers(o) {
		if passed, err := a.passed(ctx, o); err != nil || !passed {
			return err
		}
	}
	event, corrupt := a.conn.readRaw(m)
	has, read, err := a.hasOutcome(ctx, key, o, event.ID, m.Time)
	switch {
	case err != nil:
		return err
	case has:
		a.open.Remove(o.seq)
		return nil
	case cp.covers(o) && read < cp.fence: // a replica answers that is behind
		return nil
	}
	ctx = otel.GetTextMapPropagator().Extract(ctx, headerCarrier(m.Header))
	if corrupt != nil {
		err = a.conn.endCorrupt(ctx, a.conn.corruptLetter(m.Data, m.Header, corrupt), o)
	} else {
		err = a.conn.endMissed(ctx, event, o, cp)
	}
	return a.ended(o, err)
}

// ended takes note that the event at o was made a dead letter, unless err says why not.
func (a *audit) ended(o origin, err error) error {
	if errors.Is(err, ErrFenced) {
		return nil // its key goes on: the next round knows more
	}
	if err != nil {
		return fmt.Errorf("bury what was missed: %w", err)
	}
	a.open.Remove(o.seq)
	a.conn.metrics.missed.WithLabelValues().Inc()
	a.conn.log.Error("an event of RAW came to no enricher: it is a dead letter now, to be replayed", "stream", rawStream, "sequence", o.seq)
	return nil
}

// clocksDiffer is more than the clocks of NATS's servers do.
const clocksDiffer = time.Hour

// hasOutcome reports whether ENRICHED has an outcome on key of the event at o, which RAW stored at a time, and the last sequence that it has read for
// that. An outcome of an event with the same id will do: RAW can hold an event twice, and ENRICHED stores it once.
func (a *audit) hasOutcome(ctx context.Context, key string, o origin, id string, stored time.Time) (has bool, read uint64, err error) {
	from := stored.Add(-a.ids - clocksDiffer) // a key can have very many
	request := batchRequest{Subject: outcomesOn(key), StartTime: &from, Batch: auditMessages, MaxBytes: auditBytes}
	for {
		messages, err := a.conn.readBatch(ctx, enrichedStream, request)
		if err != nil || len(messages) == 0 {
			return false, read, err
		}
		for _, m := range messages {
			if carriedOrigin(m.Header) == o || id != "" && m.Header.Get(jetstream.MsgIDHeader) == id {
				return true, m.Sequence, nil
			}
		}
		read = messages[len(messages)-1].Sequence
		request.Seq, request.StartTime = read+1, nil
	}
}

// readRaw reads a message of RAW. The error says why it is corrupt.
func (c *Conn) readRaw(m *jetstream.RawStreamMsg) (event events.Event, err error) {
	err = c.guard(func() (err error) {
		if event, err = c.decode(m.Data); err != nil {
			return err
		}
		if event.Subject(events.StageRaw) != m.Subject {
			return errors.New("the event does not belong on its subject")
		}
		return nil
	})
	return event, err
}

// endMissed makes a dead letter of the event at o, of whose key cp is the checkpoint.
func (c *Conn) endMissed(ctx context.Context, e events.Event, o origin, cp checkpoint) error {
	d := c.missedLetter(e)
	if cp.covers(o) {
		return c.endInDead(ctx, d, o)
	}
	return c.endUnderFence(ctx, d, o, cp.fence)
}

func (c *Conn) missedLetter(e events.Event) events.DeadLetter {
	d := e.Letter(events.ReasonMissed, c.now().UTC())
	d.Detail = "it was stored and came to no enricher"
	return d
}

// endInDead stores the letter of an event that the key's checkpoint is beyond: a burial on the key would take that back.
func (c *Conn) endInDead(ctx context.Context, d events.DeadLetter, o origin) error {
	_, err := inForms(ctx, d, o, func(burial *nats.Msg) error { return c.storeLetterOnce(ctx, letterOf(burial)) })
	if err != nil {
		return err
	}
	return c.writeEnded(ctx, o)
}

// endCorrupt stores the letter of a message of RAW that is no event.
func (c *Conn) endCorrupt(ctx context.Context, d events.DeadLetter, o origin) error {
	if err := c.storeCorrupt(ctx, d, letterID(o)); err != nil {
		return err
	}
	return c.writeEnded(ctx, o)
}

func (c *Conn) endUnderFence(ctx context.Context, d events.DeadLetter, o origin, fence uint64) error {
	burial, _, err := c.storeBurial(ctx, d, o, fence)
	c.checkpoints.drop(d.Event.Key())
	if err != nil {
		return err
	}
	return c.settleMissed(ctx, burial, o)
}

// settle makes sure that the burials of audits have their letters: no task in QUEUE leads anybody to them.
func (a *audit) settle(ctx context.Context) error {
	for seq, m := range a.unsettled {
		burial := &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data}
		if err := a.conn.settleMissed(ctx, burial, origin{a.epoch, seq}); err != nil {
			return err
		}
		delete(a.unsettled, seq)
	}
	return nil
}

// settleMissed stores the letter of an audit's burial, and then writes that down: no other audit is to store it again once somebody has removed it.
func (c *Conn) settleMissed(ctx context.Context, burial *nats.Msg, o origin) error {
	if err := c.storeLetterOnce(ctx, letterOf(burial)); err != nil {
		return err
	}
	return c.writeEnded(ctx, o)
}

// isMissed reports whether a burial is an audit's.
func (c *Conn) isMissed(burial *jetstream.RawStreamMsg) bool {
	var d events.DeadLetter
	err := c.guard(func() (err error) {
		d, err = events.DecodeDead(burial.Data)
		return err
	})
	return err == nil && d.Reason == events.ReasonMissed
}
