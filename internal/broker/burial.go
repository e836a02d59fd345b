package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// An event is buried in two steps. Its burial, which is its whole letter, is stored in ENRICHED under the fence that its publication would be
// under: so there is one or the other, whoever tries what, and however late. Then the letter is stored in DEAD.
//
// Where a process dies in between, the event is still in QUEUE, and whoever comes by it there takes the second step: the next to be given the
// task, or one that has a later task on the key and walks past. So nothing is stored on the key after a burial before
// its letter is in DEAD, and what is no longer in QUEUE has its letter.

// Bury ends the task with a letter in DEAD, in place of a publication; its errors are those of Publish, and Head must have said
// yes just the same. The letter's Event is the task's where it has none. A letter that is too large is stored in
// a shorter form.
func (t *Task) Bury(ctx context.Context, d events.DeadLetter) error {
	cp, err := t.claim(ctx)
	if err != nil {
		return err
	}
	if d.Event == nil {
		d.Event = &t.content.event
	}
	if d.Event.Key() != t.key() {
		return errors.New("bury: the letter is not on the task's key")
	}
	burial, ack, err := t.conn.storeBurial(t.traced(ctx), d, t.origin, cp.fence)
	if err == nil {
		err = t.conn.storeLetter(ctx, letterOf(burial))
	}
	if err != nil {
		t.forget()
		return fmt.Errorf("bury: %w", err)
	}
	if !ack.Duplicate {
		cp.fence = ack.Sequence
	}
	t.finished(cp)
	// Not acknowledged by the server: when it is lost, the task is delivered again and found to be done.
	_ = t.msg.term(string(d.Reason))
	return nil
}

// storeBurial stores the burial of the event at o, which d is about, under the key's fence.
func (c *Conn) storeBurial(ctx context.Context, d events.DeadLetter, o origin, fence uint64) (m *nats.Msg, ack *jetstream.PubAck, err error) {
	m, err = inForms(ctx, d, o, func(burial *nats.Msg) error {
		ack, err = c.publish(ctx, stageBuried, burial, expectStream(enrichedStream), expectLast(fence, outcomesOn(d.Event.Key())))
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("publish to %s: %w", enrichedStream, err)
	}
	return m, ack, nil
}

// inForms hands store the burial of the event at o, which d is about, in the longest form that NATS takes. It returns the one that was stored.
func inForms(ctx context.Context, d events.DeadLetter, o origin, store func(burial *nats.Msg) error) (m *nats.Msg, err error) {
	err = longestOf(d, func(form events.DeadLetter) (err error) {
		if m, err = burialMessage(ctx, form, o); err != nil {
			return err
		}
		return store(m)
	})
	return m, err
}

// longestOf hands store d whole, and then its shorter forms one by one for as long as each is too large.
func longestOf(d events.DeadLetter, store func(form events.DeadLetter) error) (err error) {
	for form := range d.Forms() {
		if err = store(form); !isTooLarge(err) {
			return err
		}
	}
	return err
}

func burialMessage(ctx context.Context, d events.DeadLetter, o origin) (*nats.Msg, error) {
	m, err := deadMessage(ctx, d, letterID(o))
	if err != nil {
		return nil, err
	}
	m.Subject = d.Event.Subject(stageBuried)
	o.write(m.Header)
	return m, nil
}

// letterID is the same however often the event at o is delivered, or QUEUE made anew; and another one for
// the same sequence of another RAW.
func letterID(o origin) string {
	return fmt.Sprintf("dead:%s:%d:%s", rawStream, o.seq, o.epoch)
}

const (
	buriedPrefix = "rollcall." + string(stageBuried) + "."
	deadPrefix   = "rollcall." + string(events.StageDead) + "."

	enrichedPrefix = "rollcall." + string(events.StageEnriched) + "."
)

func isBurial(m *jetstream.RawStreamMsg) bool { return strings.HasPrefix(m.Subject, buriedPrefix) }

// letterOf is the message of DEAD that a burial stands for: the same bytes under the same id.
func letterOf(burial *nats.Msg) *nats.Msg {
	return &nats.Msg{Subject: deadPrefix + strings.TrimPrefix(burial.Subject, buriedPrefix), Header: ownHeaders(burial.Header), Data: burial.Data}
}

// storeLetter stores a letter in DEAD, at most once within the topology's Duplicates.
func (c *Conn) storeLetter(ctx context.Context, letter *nats.Msg) error {
	if _, err := c.publish(ctx, events.StageDead, letter, expectStream(deadStream)); err != nil {
		return fmt.Errorf("publish to %s: %w", deadStream, err)
	}
	return nil
}

// storeLetterOnce stores a letter unless DEAD is seen to have it: see hasLetter.
func (c *Conn) storeLetterOnce(ctx context.Context, letter *nats.Msg) error {
	there, err := c.hasLetter(ctx, letter)
	if err != nil || there {
		return err
	}
	return c.storeLetter(ctx, letter)
}

// settle makes sure that the event at o, which cp covers and which is still in QUEUE, is wholly done: that its letter is in DEAD, if it was
// buried. Only the last outcome on a key can be a burial without its letter. The error is ErrFenced where cp is not what ENRICHED says, or where a
// replica answers that is behind.
func (c *Conn) settle(ctx context.Context, key string, cp checkpoint, o origin) error {
	if !cp.unsent || cp.last != o {
		return nil
	}
	m, err := c.getLast(ctx, enrichedStream, outcomesOn(key))
	if err != nil {
		return err
	}
	if m.Sequence != cp.fence {
		return fmt.Errorf("read a burial: %w", ErrFenced)
	}
	if err := c.storeLetterOnce(ctx, letterOf(&nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})); err != nil {
		return err
	}
	cp.unsent = false
	c.checkpoints.put(key, cp)
	return nil
}

// hasLetter reports whether letter is the last in DEAD on its subject: a letter of which the task was not acknowledged for so long that its id is
// forgotten, usually. Where another hides it, or a replica answers that is behind, only its id keeps it from being stored again.
func (c *Conn) hasLetter(ctx context.Context, letter *nats.Msg) (bool, error) {
	m, err := c.getLast(ctx, deadStream, letter.Subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return m.Header.Get(jetstream.MsgIDHeader) == letter.Header.Get(jetstream.MsgIDHeader), nil
}
