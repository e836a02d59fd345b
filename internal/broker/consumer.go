package broker

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// consumer is what all tasks of one consumer of QUEUE have in common, whenever they were pulled.
type consumer struct {
	conn    *Conn
	made    int64        // when it was, in nanoseconds since 1970: one that is made anew has the same name, but not this
	ackWait atomic.Int64 // nanoseconds
	gone    atomic.Bool  // it was deleted, and so its tasks have lapsed

	furthest atomic.Pointer[taskPlace] // of all tasks, by RAW's order
}

// taskPlace is where an event stands in RAW and in QUEUE.
type taskPlace struct {
	origin
	queue uint64
}

// came notes where a task stands.
func (from *consumer) came(at taskPlace) {
	if last := from.furthest.Load(); last == nil || last.epoch != at.epoch || last.seq < at.seq {
		from.furthest.Store(&at)
	}
}

// furthest is the highest sequence of a RAW that QUEUE has delivered to this process; 0 for none. This process may not know yet that QUEUE was made anew, or that it lost its end
// in a power cut and has still to take that from RAW again: so only what is true of queue counts, as its leader describes it.
func (c *Conn) furthest(epoch string, queue *jetstream.StreamInfo) (seq uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, from := range c.consumers {
		last := from.furthest.Load()
		if last != nil && last.epoch == epoch && from.made >= queue.Created.UnixNano() && last.queue <= queue.State.LastSeq {
			seq = max(seq, last.seq)
		}
	}
	return seq
}

// lookUp asks the server for the consumer of partition p. When that is gone, or has been made anew, the tasks of the old one lapse.
func (c *Conn) lookUp(ctx context.Context, p int) (cons jetstream.Consumer, from *consumer, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	name := consumerName(p)
	err = c.denials.do(ctx, publishing("$JS.API.CONSUMER.INFO."+queueStream+"."+name), func(ctx context.Context) error {
		cons, err = c.js.Consumer(ctx, queueStream, name)
		return err
	})
	if err != nil {
		c.noteGone(p, err)
		return nil, nil, fmt.Errorf("look up consumer %s: %w", name, err)
	}
	return cons, c.consumerOf(p, cons.CachedInfo()), nil
}

// consumerOf returns the one value for the consumer of partition p that info describes. A different one that the partition had
// before is gone.
func (c *Conn) consumerOf(p int, info *jetstream.ConsumerInfo) *consumer {
	c.mu.Lock()
	defer c.mu.Unlock()
	known, made := c.consumers[p], info.Created.UnixNano()
	if known != nil && known.made != made {
		known.gone.Store(true)
		known = nil
	}
	if known == nil {
		known = &consumer{conn: c, made: made}
		c.consumers[p] = known
	}
	known.ackWait.Store(int64(info.Config.AckWait)) // an operator may have edited it
	return known
}

// noteGone lets the tasks of partition p's consumer lapse if err says that it does not exist any more.
func (c *Conn) noteGone(p int, err error) {
	if !isGone(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.consumers[p]; known != nil {
		known.gone.Store(true)
		delete(c.consumers, p)
	}
}

// replies is how the server is told what became of a consumer's tasks. Once the consumer is gone it is told nothing: it knows a task by
// its sequence alone, and would take that for the one in the consumer that was made anew.
type replies struct{ from *consumer }

// Publish implements courier.
func (r replies) Publish(subject string, data []byte) error {
	if r.from.gone.Load() {
		return ErrLapsed
	}
	return r.from.conn.nc.Publish(subject, data)
}

// RequestWithContext implements courier.
func (r replies) RequestWithContext(ctx context.Context, subject string, data []byte) (*nats.Msg, error) {
	if r.from.gone.Load() {
		return nil, ErrLapsed
	}
	return r.from.conn.nc.RequestWithContext(ctx, subject, data)
}
