package broker

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go/jetstream"
)

// How much of the outbox is drained at a time. The more of it, the less the longest lane holds up the others; the
// bytes are passed by at most one batch that the disk's server answers with.
const (
	windowMessages = 2000
	windowBytes    = 16 << 20
	windowLanes    = 128 // messages under way at once
)

// window is the oldest part of what a pass has not come to, while it is moved.
type window struct {
	messages []*jetstream.RawStreamMsg // oldest first, without those of stuck keys
	end      uint64                    // the first sequence behind it
	lanes    []*drainLane              // the longest first, for it takes longest
	away     atomic.Bool               // NATS: there is no point in sending more
}

// drainLane is a window's messages of one key, in order. The next is sent when NATS has acknowledged the one before: of
// two that are under way at once the first may fail and the second be stored.
type drainLane struct {
	key      string
	messages []*jetstream.RawStreamMsg
	moved    int // this many of them, from the first on, are in NATS
}

func newWindow(messages []*jetstream.RawStreamMsg, end uint64) *window {
	w := &window{messages: messages, end: end}
	byKey := make(map[string]*drainLane)
	for _, m := range messages {
		key := orderKey(m)
		l, ok := byKey[key]
		if !ok {
			l = &drainLane{key: key}
			byKey[key] = l
			w.lanes = append(w.lanes, l)
		}
		l.messages = append(l.messages, m)
	}
	slices.SortStableFunc(w.lanes, func(a, b *drainLane) int { return len(b.messages) - len(a.messages) })
	return w
}

func orderKey(m *jetstream.RawStreamMsg) string {
	return m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
}

// move sends every message with forward, lanes side by side, and returns how many NATS has and why it has not the
// others. A message that is refused holds up its own key alone. When ctx is done no more are sent;
// those under way are waited for.
func (w *window) move(ctx context.Context, forward func(context.Context, *jetstream.RawStreamMsg) error) (moved int, err error) {
	errs := make([]error, len(w.lanes))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(windowLanes, len(w.lanes)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(w.lanes); i = int(next.Add(1)) - 1 {
				errs[i] = w.moveLane(ctx, w.lanes[i], forward)
			}
		})
	}
	wg.Wait()
	for _, l := range w.lanes {
		moved += l.moved
	}
	return moved, firstOf(errs)
}

// moveLane sends the messages of one key up to the first that is not taken.
func (w *window) moveLane(ctx context.Context, l *drainLane, forward func(context.Context, *jetstream.RawStreamMsg) error) error {
	for _, m := range l.messages {
		if w.away.Load() || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := forward(ctx, m); err != nil {
			w.away.CompareAndSwap(false, isAway(err))
			return err
		}
		l.moved++
	}
	return nil
}

// isAway reports whether err is about NATS, and not about the message.
func isAway(err error) bool {
	o := outcomeOf(nil, err)
	return o == outcomeUnavailable || o == outcomeTimeout
}

// firstOf returns one error for all: hundreds may say the same.
func firstOf(errs []error) error {
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			return err
		}
	}
	return nil
}

// done reports whether every message has been moved.
func (w *window) done() bool {
	return !slices.ContainsFunc(w.lanes, func(l *drainLane) bool { return l.moved < len(l.messages) })
}
