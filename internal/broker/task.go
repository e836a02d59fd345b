package broker

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
)

// ackTimeout bounds the wait for the acknowledgement of an acknowledgement. One that is lost only means
// that the task is delivered again, and found to be done.
const ackTimeout = 2 * time.Second

// Task is one event to be enriched, held by this process until it is Published, Buried, Released
// or its hold lapses. One goroutine at a time may use it; Extend may be called beside it.
type Task struct {
	conn    *Conn
	msg     jetstream.Msg
	event   events.Event
	address queueAddress
	queue   uint64 // the sequence in QUEUE
	origin  origin
	ackWait time.Duration
	held    atomic.Pointer[time.Time] // until when
	head    bool                      // Head has said yes, and nothing has failed since
}

// newTask reads a message of QUEUE. The error says why it is not one of ours, without a value from it.
func (c *Conn) newTask(msg jetstream.Msg, ackWait time.Duration) (*Task, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read the delivery: %w", err)
	}
	address, ok := parseQueueSubject(msg.Subject())
	if !ok {
		return nil, errors.New("the subject is not one of QUEUE's")
	}
	o := sourceOrigin(msg.Headers())
	if !o.known() {
		return nil, errors.New("the message does not come from RAW")
	}
	event, err := events.DecodeRaw(msg.Data())
	if err != nil {
		return nil, fmt.Errorf("decode raw event: %w", err)
	}
	if event.Subject(events.StageRaw) != address.raw {
		return nil, errors.New("the event does not belong on its subject")
	}
	t := &Task{conn: c, msg: msg, event: event, address: address, queue: meta.Sequence.Stream, origin: o, ackWait: ackWait}
	t.hold()
	return t, nil
}

// Event returns the event.
func (t *Task) Event() events.Event { return t.event }

// Context is the trace of the webhook; it has no deadline.
func (t *Task) Context() context.Context { return t.traced(context.Background()) }

// Sequence is the task's sequence in QUEUE: what order on a key is. The sequence in RAW is not, since QUEUE can hold what is left of one RAW
// and what came after it from another, which counts from 1 again.
func (t *Task) Sequence() uint64 { return t.queue }

// Publish stores the enriched event, fenced by the key's checkpoint, then acknowledges the task. e must be on the
// task's own key, and Head must have said yes.
//
// After any error the task is still held and Head must be asked again, unless the error has a method Done() bool that
// returns true: then the task is to be forgotten. One with TooLarge() bool that returns true will not go away. A timeout does not
// tell whether the event was stored: Head finds out.
func (t *Task) Publish(ctx context.Context, e events.Enriched) error {
	cp, err := t.claim(ctx)
	if err != nil {
		return err
	}
	m, err := t.enrichedMessage(ctx, e)
	if err != nil {
		return err
	}
	ack, err := t.conn.publish(ctx, events.StageEnriched, m, 0, jetstream.WithExpectStream(enrichedStream),
		jetstream.WithExpectLastSequenceForSubject(cp.fence, outcomesOn(t.address.key)))
	if err != nil {
		t.forget()
		return fmt.Errorf("publish to %s: %w", enrichedStream, err)
	}
	if !ack.Duplicate { // of an id that was published for another event of RAW: the key's last message has not moved
		cp.fence = ack.Sequence
	}
	cp.last, cp.unsent, cp.floor = t.origin, false, t.queue+1
	t.conn.checkpoints.put(t.address.key, cp)
	t.acknowledge(ctx)
	return nil
}

func (t *Task) enrichedMessage(ctx context.Context, e events.Enriched) (*nats.Msg, error) {
	if e.Key() != t.address.key {
		return nil, errors.New("publish enriched event: it is not on the task's key")
	}
	data, err := events.EncodeEnriched(e)
	if err != nil {
		return nil, fmt.Errorf("encode enriched event: %w", err)
	}
	m := newMessage(t.traced(ctx), e.Subject(events.StageEnriched), e.ID, data)
	t.origin.write(m.Header)
	return m, nil
}

// traced is ctx with the trace of the webhook, where ctx has no span of its own.
func (t *Task) traced(ctx context.Context) context.Context {
	if trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return otel.GetTextMapPropagator().Extract(ctx, headerCarrier(t.msg.Headers()))
}

// Extend keeps the task ours for another AckWait. It is ErrLapsed when it comes too late: then the task is to be forgotten.
//
// It does not wait for the server, so that it cannot tell whether a connection still carries what is written to it. Where there is
// none, though, nothing is extended and nothing is kept to be sent later: by then the server may have given the task away.
func (t *Task) Extend() error {
	if err := t.lapsed(); err != nil {
		return err
	}
	before, up := t.conn.connection()
	if !up {
		return fmt.Errorf("extend task: %w", nats.ErrDisconnected)
	}
	if err := t.msg.InProgress(); err != nil {
		return fmt.Errorf("extend task: %w", err)
	}
	if after, up := t.conn.connection(); !up || after != before {
		return fmt.Errorf("extend task: %w", nats.ErrDisconnected) // it may have been put by for the next connection
	}
	t.hold()
	return nil
}

// Release gives the task back at once, for another process. The task is not to be used any more.
func (t *Task) Release() error {
	if errors.Is(t.lapsed(), ErrLapsed) {
		return nil // the server has given it away itself
	}
	if err := t.msg.Nak(); err != nil {
		return fmt.Errorf("release task: %w", err)
	}
	return nil
}

func (t *Task) hold() {
	until := t.conn.now().Add(t.ackWait)
	t.held.Store(&until)
}

// lapsed is ErrLapsed when the server may have given the task to another process: a process that was
// frozen finds out here, before it does something twice.
func (t *Task) lapsed() error {
	if t.conn.now().Before(*t.held.Load()) {
		return nil
	}
	t.conn.metrics.tasks.WithLabelValues("lapsed").Inc()
	return ErrLapsed
}

// claim returns the checkpoint to finish the task with, when it may be finished now.
func (t *Task) claim(ctx context.Context) (checkpoint, error) {
	if !t.head {
		head, err := t.Head(ctx)
		if err != nil {
			return checkpoint{}, err
		}
		if !head {
			return checkpoint{}, ErrNotHead
		}
	}
	if err := t.lapsed(); err != nil {
		return checkpoint{}, err
	}
	cp, err := t.conn.checkpoint(ctx, t.address.key)
	if err == nil && cp.covers(t.origin) {
		err = t.covered(ctx, cp)
	}
	if err != nil {
		t.forget()
	}
	return cp, err
}

// forget drops what this process believes, so that the streams are asked again.
func (t *Task) forget() {
	t.head = false
	t.conn.checkpoints.drop(t.address.key)
}

// done acknowledges a task whose event turned out to be done.
func (t *Task) done(ctx context.Context) error {
	t.conn.metrics.tasks.WithLabelValues("done_before").Inc()
	t.acknowledge(ctx)
	return ErrDone
}

func (t *Task) acknowledge(ctx context.Context) {
	// The event is stored: what ends ctx must not end this too early.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTimeout)
	defer cancel()
	err := t.conn.denials.do(ctx, publishing(ackSubjects), t.msg.DoubleAck)
	if err != nil {
		t.conn.log.Debug("an acknowledgement was lost: the task is delivered again and found to be done", "error", err)
	}
}

// ackSubjects stands for every acknowledgement where denials are told apart.
const ackSubjects = "$JS.ACK.>"
