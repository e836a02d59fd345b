package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// The last letter on a key is part of the key's checkpoint: it tells that its event is done, should that event come into
// QUEUE once more (its removal from QUEUE was lost, or QUEUE is made anew from RAW). A letter is
// therefore not removed before DEAD tells as much without it: by a later letter on the key, or else
// by a tombstone, a message without a body that carries the letter's origin. It is on a subject of its own, so that whoever
// may store it can store no letter, and it goes with DEAD's age, which is at least RAW's.
const tombstoneSubjects = "rollcall.dead.tombstone.letter.removed."

const headerTombstone = "Rollcall-Tombstone"

func isTombstone(m *jetstream.RawStreamMsg) bool { return m.Header.Get(headerTombstone) != "" }

// RemoveDead removes the letters, those of a key one after the other and of several keys side by side, and overwrites them on the
// server's disk. It tells done of each that is gone, one at a time. It can be stopped anywhere and run again.
func (c *Conn) RemoveDead(ctx context.Context, letters iter.Seq2[Buried, error], done func(Buried)) error {
	return c.eachInOrder(ctx, letters, func(ctx context.Context, b, next Buried) error {
		return c.removeLetter(ctx, b, next, erase)
	}, func(b Buried, _ error) { done(b) })
}

// erasure is whether the server overwrites what it removes, which takes it some 20 times as long.
type erasure bool

const (
	erase erasure = true
	leave erasure = false
)

// removeLetter removes b. next is the letter on b's key that is to be removed after it, if any: it is still there.
func (c *Conn) removeLetter(ctx context.Context, b, next Buried, how erasure) error {
	o := carriedOrigin(b.msg.Header)
	if o.known() && (next.msg == nil || !carriedOrigin(next.msg.Header).reaches(o)) {
		if err := c.keepOrigin(ctx, b, o); err != nil {
			return fmt.Errorf("keep the place of letter %d: %w", b.Sequence, err)
		}
	}
	if err := c.deleteMessage(ctx, b.Sequence, how); err != nil {
		return fmt.Errorf("remove letter %d from stream %s: %w", b.Sequence, deadStream, err)
	}
	return nil
}

// keepOrigin makes DEAD tell without b that the event at o is done. A tombstone is stored only where the last letter on the
// key is still the one that was looked at: one that is buried meanwhile tells more, and must stay the last.
func (c *Conn) keepOrigin(ctx context.Context, b Buried, o origin) error {
	for {
		lastSeq, last, err := c.last(ctx, deadStream, deadOn(b.Key))
		if err != nil {
			return err
		}
		// With another epoch the last letter is from a newer RAW, which this event is not in.
		if lastSeq > b.Sequence && last.known() && (last.reaches(o) || last.epoch != o.epoch) {
			return nil
		}
		err = c.storeTombstone(ctx, b.Key, o, lastSeq)
		if !errors.Is(err, ErrFenced) {
			return err
		}
	}
}

func (c *Conn) storeTombstone(ctx context.Context, key string, o origin, fence uint64) error {
	m := nats.NewMsg(tombstoneSubjects + key)
	m.Header.Set(headerTombstone, "removed")
	o.write(m.Header)
	_, err := c.publish(ctx, events.StageDead, m, 0, jetstream.WithExpectStream(deadStream),
		jetstream.WithExpectLastSequenceForSubject(fence, deadOn(key)))
	return err
}

// errCodeSequenceNotFound is the server's "sequence not found".
const errCodeSequenceNotFound jetstream.ErrorCode = 10043

// deleteMessage removes a message from DEAD. One that is not there is a success.
func (c *Conn) deleteMessage(ctx context.Context, seq uint64, how erasure) error {
	const subject = "$JS.API.STREAM.MSG.DELETE." + deadStream
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	var answer struct {
		Success bool                `json:"success"`
		Error   *jetstream.APIError `json:"error"`
	}
	err := c.denials.do(ctx, publishing(subject), func(ctx context.Context) error {
		m, err := c.nc.RequestWithContext(ctx, subject, fmt.Appendf(nil, `{"seq":%d,"no_erase":%t}`, seq, !how))
		if err != nil {
			return err
		}
		return json.Unmarshal(m.Data, &answer)
	})
	switch {
	case err != nil:
		return err
	case answer.Success, answer.Error != nil && answer.Error.ErrorCode == errCodeSequenceNotFound:
		return nil
	}
	// The server has several words for what is not there. A letter that another command removed is not there.
	if _, err := c.DeadLetter(ctx, seq); errors.Is(err, ErrNoLetter) {
		return nil
	}
	if answer.Error != nil {
		return answer.Error
	}
	return errors.New("the server did not remove it")
}
