package broker

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How tasks are pulled.
const (
	pullExpiry    = 30 * time.Second
	pullHeartbeat = 5 * time.Second
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
		started, reconnected := c.now(), c.nextConnection()
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
		c.takeOutage.note(allPartitions, err)
		wait.sleep(ctx, reconnected)
	}
}

// Enrichers returns how many processes Work, as far as this one knows: at least 1.
func (c *Conn) Enrichers() int { return max(1, int(c.enrichers.Load())) }

// workAll takes from every partition until ctx is done, or QUEUE is gone or has another number of partitions: first from those
// that this process owns, and from the others what their owners leave.
func (c *Conn) workAll(ctx context.Context, handle func(*Task)) error {
	partitions, err := c.partitions(ctx)
	if err != nil {
		return err
	}
	c.takeOutage.note(allPartitions, nil)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ranks := newRanks(partitions)
	members := c.join(ctx)
	deal := func(all []string) {
		c.metrics.dealt(len(all), ranks.deal(all, members.self))
		c.enrichers.Store(int64(len(all)))
		c.audits.Store(ranks.owns(auditedBy))
	}
	deal(members.names())
	defer c.metrics.dealt(0, 0)
	defer c.audits.Store(false)
	defer c.enrichers.Store(0)
	var wg sync.WaitGroup
	wg.Go(func() { members.run(ctx, deal) })
	for p := range partitions {
		wg.Go(func() { cancel(c.workPartition(ctx, p, ranks, handle)) })
	}
	wg.Wait()
	return context.Cause(ctx)
}

// partitions returns how many QUEUE has now.
func (c *Conn) partitions(ctx context.Context) (int, error) {
	partitions, _, err := c.queueInfo(ctx)
	return partitions, err
}

// queueInfo returns how many partitions QUEUE has, and how many consumers: each partition needs one.
func (c *Conn) queueInfo(ctx context.Context) (partitions, consumers int, err error) {
	info, err := c.askLeader(ctx, queueStream)
	if err != nil {
		return 0, 0, err
	}
	partitions, err = strconv.Atoi(info.Config.Metadata[metadataPartitions])
	if err != nil || partitions < 1 {
		return 0, 0, fmt.Errorf("stream %s does not say how many partitions it has: it was not provisioned by rollcall", queueStream)
	}
	return partitions, info.State.Consumers, nil
}

// workPartition takes from partition p until ctx is done, the Conn is closed, or QUEUE is gone or has another number of partitions. Where only
// its own consumer is gone, it tries again: the other partitions are not to stop for it.
func (c *Conn) workPartition(ctx context.Context, p int, ranks *ranks, handle func(*Task)) error {
	var wait backoff
	watch := &watchdog{conn: c, partition: p}
	defer watch.close()
	for {
		reconnected := c.nextConnection()
		pulling, end, rank := ranks.begin(ctx, p)
		err := c.pull(pulling, p, rank, handle, &wait, watch)
		dealtAnew := pulling.Err() != nil
		end()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case c.nc.IsClosed():
			return err
		case dealtAnew:
			continue
		case isGone(err):
			if n, lookup := c.partitions(ctx); lookup != nil || n != ranks.partitions() {
				return err
			}
		}
		c.takeOutage.note(p, err)
		wait.sleep(ctx, reconnected)
	}
}

// pull takes from one consumer for as long as that goes well and ctx is not done. It does not outlive a denial: the server would not tell when
// the right is given back, so the pull must be tried again.
func (c *Conn) pull(ctx context.Context, p, rank int, handle func(*Task), wait *backoff, watch *watchdog) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	c.denials.wait(pullSubject(p), &cancel)
	defer c.denials.forget(pullSubject(p), &cancel)
	connection, _ := c.connection()
	cons, from, err := c.lookUp(ctx, p)
	if err != nil {
		return err
	}
	it, err := cons.Messages(pullOptions(rank)...)
	if err != nil {
		return fmt.Errorf("pull from consumer %s: %w", consumerName(p), err)
	}
	defer giveBack(it)
	watch.cons, watch.owner = cons, rank == 0
	for {
		msg, err := watch.next(ctx, it)
		if err != nil {
			c.noteGone(p, err)
			return fmt.Errorf("pull from consumer %s: %w", consumerName(p), orDenied(ctx, err))
		}
		if number, _ := c.connection(); number != connection {
			if err := c.isStill(ctx, p, from); err != nil {
				if msg != nil {
					_ = msg.Nak()
				}
				return err
			}
			connection = number
		}
		c.takeOutage.note(p, nil)
		if msg == nil {
			continue
		}
		wait.reset()
		c.hand(ctx, msg, from, handle)
	}
}

// pullSubject is where partition p's tasks are asked for.
func pullSubject(p int) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + queueStream + "." + consumerName(p)
}

// isStill returns an error unless from is still the consumer of partition p. While there was no connection QUEUE may have been made
// anew, and the pull goes on with the new consumer of that name.
func (c *Conn) isStill(ctx context.Context, p int, from *consumer) error {
	_, now, err := c.lookUp(ctx, p)
	if err == nil && now != from {
		return fmt.Errorf("pull from consumer %s: it was made anew: %w", consumerName(p), jetstream.ErrConsumerDeleted)
	}
	return err
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

// hand makes a task of msg and hands it over; what is not one of ours is buried.
func (c *Conn) hand(ctx context.Context, msg jetstream.Msg, from *consumer, handle func(*Task)) {
	came := turnDelivered
	if meta, err := msg.Metadata(); err == nil && meta.NumDelivered > 1 {
		came = turnRedelivered
	}
	c.metrics.task(came)
	t, err := c.readTask(msg, from)
	if err != nil {
		c.buryCorrupt(ctx, msg, err)
		return
	}
	from.came(taskPlace{t.origin, t.queue})
	handle(t)
}

// readTask is newTask, guarded.
func (c *Conn) readTask(msg jetstream.Msg, from *consumer) (t *Task, err error) {
	err = c.guard(func() (err error) {
		t, err = from.newTask(msg)
		return err
	})
	return t, err
}
