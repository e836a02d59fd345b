package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"

	"github.com/rollcall-events/rollcall/events"
)

// NotReplayableError says why a letter cannot become an event again. No trying again helps.
type NotReplayableError struct {
	why   string
	cause error
}

func (e *NotReplayableError) Error() string {
	if e.cause == nil {
		return e.why
	}
	return e.why + ": " + e.cause.Error()
}

func (e *NotReplayableError) Unwrap() error { return e.cause }

// ReplayDead stores the letters' events in RAW again, each as a new event that names the old, and then removes the letters. It tells
// done of each letter, one at a time, with a *NotReplayableError where it stays because it cannot be replayed.
//
// The new event's ID follows from the letter. When ReplayDead is stopped between storing an event and removing its letter and run
// again within the topology's Duplicates, the event is known and only the letter is removed. The letters of
// a key are replayed in order, one after the other, those of several keys side by side.
func (c *Conn) ReplayDead(ctx context.Context, letters iter.Seq2[Buried, error], done func(Buried, error)) error {
	return eachInOrder(ctx, letters, c.replayLetter, done)
}

func (c *Conn) replayLetter(ctx context.Context, b Buried) error {
	e, err := b.Replay()
	if err != nil {
		return err
	}
	_, err = c.PublishRaw(b.traced(ctx), e)
	if isTooLarge(err) {
		return &NotReplayableError{"the event is larger than NATS takes", nil}
	}
	if err != nil {
		return fmt.Errorf("replay letter %d: %w", b.Sequence, err)
	}
	return c.removeLetter(ctx, b, leave) // what it says is in RAW again
}

// Replay returns what replaying the letter stores in RAW. The error is a *NotReplayableError.
func (b Buried) Replay() (events.Event, error) {
	switch {
	case b.Err != nil:
		return events.Event{}, &NotReplayableError{"the message cannot be read", b.Err}
	case b.Letter.Event == nil:
		return events.Event{}, &NotReplayableError{"it holds no event, only bytes that none could be read from", nil}
	case b.Letter.Stripped:
		return events.Event{}, &NotReplayableError{"what Twilio sent was too large to be kept, and is not in it", nil}
	}
	e := b.Letter.Event.Replayed(b.identity())
	if _, err := events.EncodeRaw(e); err != nil {
		return events.Event{}, &NotReplayableError{"its event is not complete", errors.Unwrap(err)}
	}
	if b.Letter.Reason == events.ReasonInvalid {
		return events.Event{}, &NotReplayableError{"the identifiers that were invalid are not in its event, which would come out without them", nil}
	}
	return e, nil
}

// identity is what no other letter has: the id that it was stored under, which names the event's place in RAW. A letter without one (not
// one of ours) is known by its place and time in DEAD.
func (b Buried) identity() string {
	if id := b.msg.Header.Get(jetstream.MsgIDHeader); id != "" {
		return id
	}
	return fmt.Sprintf("%s:%d:%d", deadStream, b.Sequence, b.BuriedAt.UnixNano())
}

// traced is ctx with the trace of the webhook.
func (b Buried) traced(ctx context.Context) context.Context {
	return otel.GetTextMapPropagator().Extract(ctx, headerCarrier(b.msg.Header))
}
