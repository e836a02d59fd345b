package broker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How tasks are pulled.
const (
	pullBatch     = 64 // what waits in this process, unhandled, for each partition
	pullExpiry    = 30 * time.Second
	pullHeartbeat = 5 * time.Second
	watchEvery    = 15 * time.Second // without a task, whether there should have been one
	backoffLeast  = 100 * time.Millisecond
	backoffMost   = 5 * time.Second
	releaseWait   = time.Second
)

// Work hands every task to handle until ctx is done: those of one partition one after the other, in the order in which the
// server delivers them, and the partitions side by side. handle must not block for long. At first the server delivers a key's events in
// order; after a crash or a Release it does not: Task.Head tells.
//
// Work outlives consumers, streams and connections that go away, and finds QUEUE with another number of
// partitions when it comes back with one. What was pulled but not handed over when ctx ends is given back. It returns nil
// when ctx is done, and an error only when the Conn is closed.
func (c *Conn) Work(ctx context.Context, handle func(*Task)) error {
	var wait backoff
	for {
		started := c.now()
		err := c.workAll(ctx, handle)
		if c.now().Sub(started) > backoffMost {
			wait.reset()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.closed:
			return fmt.Errorf("take tasks: %w", nats.ErrConnectionClosed)
		default:
		}
		c.log.Warn("cannot take tasks, trying again", "client", c.cfg.Name, "error", err)
		wait.sleep(ctx)
	}
}

// workAll takes from every partition until one is gone.
func (c *Conn) workAll(ctx context.Context, handle func(*Task)) error {
	partitions, err := c.partitions(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for p := range partitions {
		wg.Go(func() { cancel(c.workPartition(ctx, p, handle)) })
	}
	wg.Wait()
	return context.Cause(ctx)
}

// partitions returns how many QUEUE has now.
func (c *Conn) partitions(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	var info *jetstream.StreamInfo
	err := c.denials.do(ctx, publishing("$JS.API.STREAM.INFO."+queueStream), func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, queueStream)
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look up stream %s: %w", queueStream, err)
	}
	n, err := strconv.Atoi(info.Config.Metadata[metadataPartitions])
	if err != nil || n < 1 {
		return 0, fmt.Errorf("stream %s does not say how many partitions it has: it was not provisioned by rollcall", queueStream)
	}
	return n, nil
}

// workPartition takes from partition p until ctx is done, the Conn closed, or the consumer gone.
func (c *Conn) workPartition(ctx context.Context, p int, handle func(*Task)) error {
	var wait backoff
	for {
		err := c.pull(ctx, p, handle, &wait)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case isGone(err), c.nc.IsClosed():
			return err
		}
		c.log.Warn("cannot take tasks of a partition, trying again", "client", c.cfg.Name, "partition", p, "error", err)
		wait.sleep(ctx)
	}
}

// errStalled is the watchdog's.
var errStalled = errors.New("tasks wait at the server and none is delivered")

// pull takes from one consumer for as long as that goes well.
func (c *Conn) pull(ctx context.Context, p int, handle func(*Task), wait *backoff) error {
	cons, err := c.consumer(ctx, p)
	if err != nil {
		return err
	}
	it, err := cons.Messages(jetstream.PullMaxMessages(pullBatch), jetstream.PullExpiry(pullExpiry),
		jetstream.PullHeartbeat(pullHeartbeat), jetstream.WithMessagesErrOnMissingHeartbeat(true))
	if err != nil {
		return fmt.Errorf("pull from consumer %s: %w", consumerName(p), err)
	}
	defer giveBack(it)
	ackWait := cons.CachedInfo().Config.AckWait
	for {
		msg, err := c.next(ctx, it, cons)
		if err != nil {
			return fmt.Errorf("pull from consumer %s: %w", consumerName(p), err)
		}
		if msg == nil {
			continue
		}
		wait.reset()
		c.denials.succeeded(publishing("$JS.API.CONSUMER.MSG.NEXT." + queueStream + "." + consumerName(p)))
		c.hand(ctx, msg, ackWait, handle)
	}
}

func (c *Conn) consumer(ctx context.Context, p int) (cons jetstream.Consumer, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	name := consumerName(p)
	err = c.denials.do(ctx, publishing("$JS.API.CONSUMER.INFO."+queueStream+"."+name), func(ctx context.Context) error {
		cons, err = c.js.Consumer(ctx, queueStream, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up consumer %s: %w", name, err)
	}
	return cons, nil
}

// next returns the next message; none, from time to time, when there is none.
func (c *Conn) next(ctx context.Context, it jetstream.MessagesContext, cons jetstream.Consumer) (jetstream.Msg, error) {
	wait, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	msg, err := it.Next(jetstream.NextContext(wait))
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return msg, err
	}
	info, err := cons.Info(ctx)
	switch {
	case err != nil:
		return nil, err
	case info.NumPending == 0:
		return nil, nil
	case info.NumAckPending < info.Config.MaxAckPending:
		return nil, errStalled
	}
	c.log.Warn("a partition is full: nothing new is delivered until something that it holds is done",
		"consumer", info.Name, "held", info.NumAckPending, "waiting", info.NumPending)
	return nil, nil
}

// giveBack ends a pull. What it had already delivered goes to whoever pulls next, at once.
func giveBack(it jetstream.MessagesContext) {
	it.Drain()
	for {
		msg, err := it.Next(jetstream.NextMaxWait(releaseWait))
		if err != nil {
			it.Stop()
			return
		}
		_ = msg.Nak() // else it is delivered again after AckWait
	}
}

func (c *Conn) hand(ctx context.Context, msg jetstream.Msg, ackWait time.Duration, handle func(*Task)) {
	event := "delivered"
	if meta, err := msg.Metadata(); err == nil && meta.NumDelivered > 1 {
		event = "redelivered"
	}
	c.metrics.tasks.WithLabelValues(event).Inc()
	t, err := c.newTask(msg, ackWait)
	if err != nil {
		c.buryCorrupt(ctx, msg, err)
		return
	}
	handle(t)
}

// backoff is how long to wait after each failure in a row.
type backoff struct{ last time.Duration }

func (b *backoff) reset() { b.last = 0 }

// sleep waits longer each time, with jitter, or until ctx is done.
func (b *backoff) sleep(ctx context.Context) {
	b.last = min(max(2*b.last, backoffLeast), backoffMost)
	t := time.NewTimer(b.last/2 + rand.N(b.last/2)) //nolint:gosec // jitter is no secret
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
