package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// feedPatience is how long nothing may come out before a feed gives up.
const feedPatience = time.Minute

// feed gives each conversation its events in turns: the next turn is stored in RAW when the last has come out of ENRICHED. So never
// do more events of one conversation wait than a turn has.
type feed struct {
	r     *rig
	size  int                      // events in a turn
	turns map[string][]*nats.Msg   // what is left, by key
	open  map[string]int           // events of the turn that have not come out, by key
	notes map[string]*load.Note    // by event ID
	acks  []jetstream.PubAckFuture // of all that was published
	start time.Time
	out   int
}

// newFeed makes so many turns of size events for each conversation.
func (r *rig) newFeed(conversations, turns, size int) (*feed, error) {
	f := &feed{r: r, size: size, turns: map[string][]*nats.Msg{}, open: map[string]int{}, notes: map[string]*load.Note{}}
	for i := range conversations {
		key := string(r.traffic.Conversation(i))
		for range turns * size {
			w := r.traffic.Webhook(i)
			m, err := stored(w)
			if err != nil {
				return nil, err
			}
			w.Body = nil
			f.turns[key] = append(f.turns[key], m)
			f.notes[w.IDs[0]] = &load.Note{Webhook: w}
		}
	}
	return f, nil
}

// run feeds until all has come out, and returns how long that took.
func (f *feed) run(ctx context.Context) (time.Duration, error) {
	came := make(chan *nats.Msg, 64<<10)
	sub, err := f.r.nc.ChanSubscribe("rollcall.enriched.>", came)
	if err != nil {
		return 0, fmt.Errorf("follow enriched events: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }() // it ends with the connection at the latest
	f.start = time.Now()
	for key := range f.turns {
		if err := f.next(key); err != nil {
			return 0, err
		}
	}
	patience := time.NewTimer(feedPatience)
	defer patience.Stop()
	for f.out < len(f.notes) {
		select {
		case m := <-came:
			if err := f.took(m); err != nil {
				return 0, err
			}
			if f.out%1000 == 0 {
				patience.Reset(feedPatience)
			}
		case <-patience.C:
			return 0, fmt.Errorf("only %d of %d events came out: %s", f.out, len(f.notes), f.r.enricher.tail())
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	return time.Since(f.start), f.enter()
}

// took notes what came out, and gives its conversation the next turn when it has had this one.
func (f *feed) took(m *nats.Msg) error {
	note := f.notes[m.Header.Get(jetstream.MsgIDHeader)]
	if note == nil || note.Completed > 0 {
		return nil // published once more, which a subscriber sees, and not stored again, which the ledger does
	}
	note.Completed, note.Status = time.Since(f.start), http.StatusOK
	f.out++
	key := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
	if f.open[key]--; f.open[key] > 0 {
		return nil
	}
	return f.next(key)
}

// next stores a conversation's next turn.
func (f *feed) next(key string) error {
	turn := f.turns[key][:min(f.size, len(f.turns[key]))]
	f.turns[key], f.open[key] = f.turns[key][len(turn):], len(turn)
	for _, m := range turn {
		f.notes[m.Header.Get(jetstream.MsgIDHeader)].Sent = time.Since(f.start)
		ack, err := f.r.publish(m)
		if err != nil {
			return err
		}
		f.acks = append(f.acks, ack)
	}
	return nil
}

// enter tells the ledger of everything, once every publish is known to have been acknowledged.
func (f *feed) enter() error {
	if err := acknowledged(f.acks); err != nil {
		return err
	}
	notes := make([]load.Note, 0, len(f.notes))
	for _, n := range f.notes {
		notes = append(notes, *n)
	}
	load.Enter(f.r.ledger, notes)
	return nil
}

// atOnce is how many messages are encoded before the first of them is published.
const atOnce = 10_000

// queue stores n webhooks that next makes in RAW as fast as it takes them, in order, atOnce of them at once.
func (r *rig) queue(n int, next func() sandbox.Webhook) error {
	for n > 0 {
		part := min(n, atOnce)
		if err := r.queuePart(part, next); err != nil {
			return err
		}
		n -= part
	}
	return nil
}

func (r *rig) queuePart(n int, next func() sandbox.Webhook) (err error) {
	notes, messages, acks := make([]load.Note, n), make([]*nats.Msg, n), make([]jetstream.PubAckFuture, n)
	for i := range n {
		w := next()
		if messages[i], err = stored(w); err != nil {
			return err
		}
		w.Body = nil
		notes[i] = load.Note{Webhook: w, Status: http.StatusOK}
	}
	start := time.Now()
	for i, m := range messages {
		notes[i].Sent = time.Since(start)
		if acks[i], err = r.publish(m); err != nil {
			return err
		}
	}
	if err := acknowledged(acks); err != nil {
		return err
	}
	for i := range notes { // when exactly, nobody has asked
		notes[i].Completed = time.Since(start)
	}
	load.Enter(r.ledger, notes)
	return nil
}

// publish sends m without waiting for its acknowledgement, once fewer than asyncPending wait for theirs: a server that syncs every message
// to disk may need longer for the next of those than the client's own 200 ms.
func (r *rig) publish(m *nats.Msg) (jetstream.PubAckFuture, error) {
	ack, err := r.js.PublishMsgAsync(m, jetstream.WithStallWait(feedPatience))
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return ack, nil
}

// acknowledged waits until all publishes are known to have been stored.
func acknowledged(acks []jetstream.PubAckFuture) error {
	for _, ack := range acks {
		select {
		case <-ack.Ok():
		case err := <-ack.Err():
			return fmt.Errorf("publish: %w", err)
		case <-time.After(feedPatience):
			return errors.New("publish: no acknowledgement came")
		}
	}
	return nil
}
