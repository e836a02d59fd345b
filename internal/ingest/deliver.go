package ingest

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/rollcall-events/rollcall/events"
)

// panicError is a panic that was caught. It carries where it happened and the type of the panic's value,
// but not the value, which may be made of what came from outside.
type panicError struct {
	kind  string
	stack []byte
}

func (e *panicError) Error() string { return "panic (" + e.kind + ")" }

// caught must be called with what recover returned.
func caught(value any) *panicError {
	return &panicError{kind: fmt.Sprintf("%T", value), stack: debug.Stack()}
}

// deliver stores everything that d says, in order. It stops at the first thing that cannot be stored: Twilio sends
// the whole again, if it sends again at all, and what was stored already is known by its ID.
// turn is what trust took; what storing does not need of it is given back.
func (s *Service) deliver(ctx context.Context, d events.Delivery, arrived time.Time, turn *turn) (res result) {
	// A sender that hangs up does not undo what it sent.
	ctx, cancel := context.WithDeadline(context.WithoutCancel(ctx), s.storeBy(arrived, turn.began))
	defer cancel()

	res.accepted, res.rejected, res.err = s.guardedParse(d)
	turn.reading.giveBack()
	for _, letter := range res.rejected {
		if err := guard(func() error { return s.store.Bury(ctx, letter) }); err != nil {
			return res.failed(err, d.Feed == events.FeedConversations && (letter.Event == nil || mayDecide(*letter.Event)))
		}
	}
	for _, e := range res.accepted {
		err := guard(func() error { return s.store.Put(ctx, e) })
		if tooLargeToStore(err) {
			letter := e.Letter(events.ReasonTooLarge, e.ReceivedAt)
			err = guard(func() error { return s.store.Bury(ctx, letter) })
			res.rejected = append(res.rejected, letter)
		}
		if err != nil {
			return res.failed(err, mayDecide(e))
		}
	}
	res.outcome = stored
	if len(res.rejected) > 0 {
		res.outcome = buried
	}
	return res
}

// tooLargeToStore reports whether trying again is of no use, since the size is what is wrong.
func tooLargeToStore(err error) bool {
	var refusal interface{ TooLarge() bool }
	return errors.As(err, &refusal) && refusal.TooLarge()
}

// mayDecide reports whether the answer to e may decide on a user's action: e is a pre-action
// webhook, or one of a type that we do not know.
func mayDecide(e events.Event) bool {
	return e.PreAction || e.Feed == events.FeedConversations && e.Resource == events.Unknown
}

// guardedParse is events.Parse. Should it panic, the delivery is evidence like any other that cannot be parsed.
func (s *Service) guardedParse(d events.Delivery) (accepted []events.Event, rejected []events.DeadLetter, err error) {
	defer func() {
		if value := recover(); value != nil {
			accepted, rejected, err = nil, []events.DeadLetter{d.Unparseable("parsing panicked")}, caught(value)
		}
	}()
	accepted, rejected = s.parse(d)
	return accepted, rejected, nil
}

// guard calls f and returns its error, or its panic as one.
func guard(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = caught(value)
		}
	}()
	return f()
}
