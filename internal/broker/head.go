package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Head reports whether this is the first event on its key that is not done yet. A task that
// turns out to be done already (published or buried before a crash, its acknowledgement lost) is acknowledged, and
// ErrDone returned. What it says rests on the streams, never on who holds what: a server delivers
// out of order after a crash, and that is harmless as long as only heads are finished.
//
// It stays false for as long as an earlier event is not done: ask again later.
func (t *Task) Head(ctx context.Context) (bool, error) {
	t.head = false
	if err := t.lapsed(); err != nil {
		return false, err
	}
	head, err := t.isHead(ctx)
	t.head = head && err == nil
	if !t.head && !errors.Is(err, ErrDone) {
		t.forget() // another process works on the key: what is remembered of it is old when Head is asked again
	}
	return t.head, err
}

func (t *Task) isHead(ctx context.Context) (bool, error) {
	cp, err := t.conn.checkpoint(ctx, t.key())
	if err != nil {
		return false, err
	}
	if cp.covers(t.origin) {
		return false, t.covered(ctx, cp)
	}
	first, err := t.firstUndone(ctx, cp)
	switch {
	case err != nil:
		return false, err
	case first == 0:
		return false, t.missing(ctx)
	}
	return first == t.queue, nil
}

// covered ends a task whose event is done as far as cp knows.
func (t *Task) covered(ctx context.Context, cp checkpoint) error {
	if err := t.conn.settle(ctx, t.key(), cp, t.origin); err != nil {
		return err
	}
	return t.done(ctx)
}

// headWalk bounds how many messages that are done but not acknowledged yet one Head walks past.
const headWalk = 64

// firstUndone returns the sequence in QUEUE of the first message on the key that is not done, as far as cp knows: at most
// the task's own; 0 when the task itself is not there. What it walks past is wholly done.
func (t *Task) firstUndone(ctx context.Context, cp checkpoint) (uint64, error) {
	from := cp.floor
	if cp.made != t.made || from > t.queue { // it is of another QUEUE
		from = 0
	}
	for range headWalk {
		m, err := t.conn.getFrom(ctx, queueStream, t.subject, from)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && m.Sequence > t.queue {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		o := sourceOrigin(m.Header)
		if m.Sequence == t.queue {
			return m.Sequence, t.fill(m, o)
		}
		if !cp.covers(o) {
			return m.Sequence, nil
		}
		if err := t.conn.settle(ctx, t.key(), cp, o); err != nil {
			return 0, err
		}
		from = m.Sequence + 1
	}
	return from - 1, nil // the last one looked at: the task has not been reached, and is not the head until those are acknowledged
}

// fill gives a task that was shed its event back from m, the message at its place in QUEUE, which came from o. In a QUEUE that was made anew that
// can be another event. The task is to be forgotten then: its own event comes again by itself, and to acknowledge the task would be to lose the other.
func (t *Task) fill(m *jetstream.RawStreamMsg, o origin) error {
	if o != t.origin {
		return ErrLapsed
	}
	if t.content != nil {
		return nil
	}
	content, _, err := t.conn.readQueued(t.key(), m.Header, m.Data)
	if err != nil {
		return fmt.Errorf("read a task again: %w", err)
	}
	t.content = content
	return nil
}

// missing decides on a task that a direct get did not find in QUEUE. Either it is gone, because another process finished it or an operator removed
// it, or the server that answered is behind. Even the leader of QUEUE can be: each server stores what is agreed on in its own time, and the
// one that delivers a task may be first. So only a leader that has come as far as the task can say that it is gone. And
// nothing is acknowledged on its word, since the leader may change between the two questions: what is gone needs no
// acknowledgement, and what is not is delivered again.
func (t *Task) missing(ctx context.Context) error {
	t.conn.checkpoints.drop(t.key())
	last, err := t.conn.queueLast(ctx)
	switch {
	case err != nil:
		return err
	case last < t.queue:
		t.conn.metrics.task(turnEarly)
		_ = t.msg.nakWithDelay(earlyWait) // if this fails it comes again after AckWait
		return ErrEarly
	}
	there, err := t.conn.queueHas(ctx, t.queue)
	if err != nil || there {
		return err
	}
	t.conn.metrics.task(turnDoneBefore)
	return ErrDone
}

// earlyWait is for how long a task that QUEUE's leader has not stored yet is put off: replicas are behind for milliseconds, as a rule.
const earlyWait = 100 * time.Millisecond

// queueLast returns the sequence of the last message that the leader of QUEUE has stored, whether it still holds it or not.
func (c *Conn) queueLast(ctx context.Context) (uint64, error) {
	info, err := c.askLeader(ctx, queueStream)
	if err != nil {
		return 0, err
	}
	return info.State.LastSeq, nil
}

// queueHas asks the leader of QUEUE for a message.
func (c *Conn) queueHas(ctx context.Context, seq uint64) (bool, error) {
	m, err := c.getFromLeader(ctx, queueStream, seq, "")
	return m != nil, err
}
