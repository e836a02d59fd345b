package broker

import (
	"context"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	keyWalk   = 200 // messages of a key
	queueWalk = 20 * time.Second
)

// takenByQueue is how far in RAW QUEUE has come, at least, as its leader describes it: up to what it holds last or has delivered to this process.
func (c *Conn) takenByQueue(ctx context.Context, epoch string, queue *jetstream.StreamInfo) (seq uint64, err error) {
	seq = c.furthest(epoch, queue)
	if queue.State.Msgs == 0 {
		return seq, nil
	}
	last, err := c.getFromLeader(ctx, queueStream, queue.State.LastSeq, "")
	if err != nil || last == nil { // it is done, and what is before it is not
		return seq, err
	}
	if o := sourceOrigin(last.Header); o.epoch == epoch {
		seq = max(seq, o.seq)
	}
	return seq, nil
}

// waiting is what QUEUE holds, by RAW's sequences, as a walk through it saw it. It may be out of date.
type waiting struct {
	all  *roaring64.Bitmap // of the last walk that came to the end
	seen *roaring64.Bitmap // of the walk that is under way
	walk uint64            // the last message of QUEUE that it read
}

// walkQueue goes on through QUEUE, for some time. To ask about each event that waits would take hours where many thousand do.
func (a *audit) walkQueue(ctx context.Context) error {
	if a.waiting.all == nil {
		a.waiting = waiting{all: roaring64.New(), seen: roaring64.New()}
	}
	w := &a.waiting
	for until := time.Now().Add(queueWalk); time.Now().Before(until); {
		began := time.Now()
		messages, err := a.conn.readBatch(ctx, queueStream, batchRequest{Subject: ">", Seq: w.walk + 1, Batch: auditMessages, MaxBytes: auditBytes})
		if err != nil {
			return err
		}
		if len(messages) == 0 {
			*w = waiting{all: w.seen, seen: roaring64.New()}
			return nil
		}
		for _, m := range messages {
			if o := sourceOrigin(m.Header); o.epoch == a.epoch {
				w.seen.Add(o.seq)
			}
		}
		w.walk = messages[len(messages)-1].Sequence
		pause(ctx, time.Since(began)) // as catchUp does
	}
	return nil
}

// mayBeQueued reports whether the event at o is in QUEUE, or has one before it there on its key, so that its turn has not come.
func (c *Conn) mayBeQueued(ctx context.Context, key string, o origin) (bool, error) {
	seq := uint64(1)
	for range keyWalk {
		m, err := c.getFromLeader(ctx, queueStream, seq, queuedOn(key))
		if err != nil || m == nil {
			return false, err
		}
		if there := sourceOrigin(m.Header); o.reaches(there) {
			return true, nil
		}
		seq = m.Sequence + 1
	}
	return true, nil // later ones have piled up: when there are fewer, it is found out
}

// passed reports whether QUEUE has taken the event at o, or what is behind it in RAW, and is still the one that had when this round began.
func (a *audit) passed(ctx context.Context, o origin) (bool, error) {
	if a.taken < o.seq {
		return false, nil
	}
	queue, err := a.conn.askLeader(ctx, queueStream)
	if err != nil {
		return false, err
	}
	return queue.Created.Equal(a.queue), nil
}
