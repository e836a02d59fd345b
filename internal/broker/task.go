package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
	"unique"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace"

	"github.com/rollcall-events/rollcall/events"
)

// ackTimeout bounds the wait for the acknowledgement of an acknowledgement.
const ackTimeout = 2 * time.Second

// Task is one event to be enriched, held by this process until it is Published, Buried, Released
// or its hold lapses. One goroutine at a time may use it; Extend may be called beside it.
type Task struct {
	*consumer
	msg     delivery
	content *content // nil once it was shed, until Head has read it again
	subject string   // the subject of every message on the key in QUEUE
	queue   uint64   // the sequence in QUEUE
	origin  origin
	held    atomic.Int64 // until when: nanoseconds after conn.opened
	head    bool         // Head has said yes, and nothing has failed since
}

// content is what a task is about.
type content struct {
	event events.Event
	trace nats.Header // of the message, what tells of its trace
}

// newTask reads a message of QUEUE. The error says why it is not one of ours, without a value from it.
func (from *consumer) newTask(msg jetstream.Msg) (*Task, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, fmt.Errorf("read the delivery: %w", err)
	}
	subject := unique.Make(msg.Subject()).Value() // one copy for all tasks of the key
	key, ok := keyOf(subject)
	if !ok {
		return nil, errors.New("the subject is not one of QUEUE's")
	}
	content, o, err := from.conn.readQueued(key, msg.Headers(), msg.Data())
	if err != nil {
		return nil, err
	}
	t := &Task{
		consumer: from, msg: newDelivery(replies{from}, msg.Reply()), content: content,
		subject: subject, queue: meta.Sequence.Stream, origin: o,
	}
	t.hold()
	return t, nil
}

// readQueued reads what QUEUE holds on key.
func (c *Conn) readQueued(key string, header nats.Header, data []byte) (*content, origin, error) {
	o, raw := source(header)
	if !o.known() {
		return nil, origin{}, errors.New("the message does not come from RAW")
	}
	event, err := c.decode(data)
	if err != nil {
		return nil, origin{}, err
	}
	if event.Subject(events.StageRaw) != raw || event.Key() != key {
		return nil, origin{}, errors.New("the event does not belong on its subject")
	}
	o.epoch = unique.Make(o.epoch).Value() // it would keep the whole header
	return &content{event, traceOf(header)}, o, nil
}

// traceOf returns the headers that tell of a trace, nil for none.
func traceOf(header nats.Header) (of nats.Header) {
	for _, field := range otel.GetTextMapPropagator().Fields() {
		if values := header[field]; values != nil {
			if of == nil {
				of = nats.Header{}
			}
			of[field] = values
		}
	}
	return of
}

// Event returns the event; once the task was shed, the zero Event until Head has said yes.
func (t *Task) Event() events.Event {
	if t.content == nil {
		return events.Event{}
	}
	return t.content.event
}

// Shed lets go of the event to save memory: Head reads it again when it says yes.
func (t *Task) Shed() { t.content = nil }

// key is what order is kept on.
func (t *Task) key() string { return t.subject[strings.LastIndexByte(t.subject, '.')+1:] }

// Context is the trace of the webhook; it has no deadline.
func (t *Task) Context() context.Context { return t.traced(context.Background()) }

// Sequence is the task's sequence in QUEUE, by which the tasks of a key are in order. By that in RAW they would not be: QUEUE can hold what is left
// of one RAW, and behind it what came from another, which counts from 1 again.
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
	ack, err := t.conn.publish(ctx, events.StageEnriched, m, expectStream(enrichedStream), expectLast(cp.fence, outcomesOn(t.key())))
	if err != nil {
		t.forget()
		return fmt.Errorf("publish to %s: %w", enrichedStream, err)
	}
	if !ack.Duplicate { // else its id was published before, for another event of RAW, and the key's last message has not moved
		cp.fence = ack.Sequence
	}
	t.finished(cp)
	t.acknowledge(ctx)
	return nil
}

func (t *Task) enrichedMessage(ctx context.Context, e events.Enriched) (*nats.Msg, error) {
	if e.Key() != t.key() {
		return nil, errors.New("publish enriched event: it is not on the task's key")
	}
	data, err := events.EncodeEnriched(e)
	if err != nil {
		return nil, err
	}
	m := newMessage(t.traced(ctx), e.Subject(events.StageEnriched), e.ID, data)
	t.origin.write(m.Header)
	return m, nil
}

// traced is ctx with the trace of the webhook, where ctx has no span of its own.
func (t *Task) traced(ctx context.Context) context.Context {
	if t.content == nil || trace.SpanContextFromContext(ctx).IsValid() {
		return ctx
	}
	return otel.GetTextMapPropagator().Extract(ctx, headerCarrier(t.content.trace))
}

// Left returns how long the task stays ours without Extend, less than 0 when it no longer is, and how long Extend holds it.
func (t *Task) Left() (left, whole time.Duration) {
	left, whole = time.Duration(t.held.Load())-t.conn.now().Sub(t.conn.opened), time.Duration(t.ackWait.Load())
	if t.gone.Load() {
		left = min(left, -1)
	}
	return left, whole
}

// Extend keeps the task ours for another AckWait. It is ErrLapsed when it comes too late: then the task is to be forgotten.
//
// It does not wait for the server, and so cannot tell whether the connection still carries what is written to it. Without a
// connection it fails, and nothing is kept to be sent later: by then the server may have given the task away.
func (t *Task) Extend() error {
	if err := t.lapsed(); err != nil {
		return err
	}
	before, up := t.conn.connection()
	if !up {
		return fmt.Errorf("extend task: %w", nats.ErrDisconnected)
	}
	if err := t.msg.inProgress(); err != nil {
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
	if err := t.msg.nak(); err != nil {
		return fmt.Errorf("release task: %w", err)
	}
	return nil
}

func (t *Task) hold() {
	t.held.Store(int64(t.conn.now().Sub(t.conn.opened)) + t.ackWait.Load())
}

// lapsed is ErrLapsed when the server may have given the task to another process (a process that was
// frozen finds out here, before it does something twice), or when the task's consumer is gone.
func (t *Task) lapsed() error {
	if left, _ := t.Left(); left > 0 {
		return nil
	}
	t.conn.metrics.task(turnLapsed)
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
	cp, err := t.conn.checkpoint(ctx, t.key())
	if err == nil && cp.covers(t.origin) {
		err = t.covered(ctx, cp)
	}
	if err != nil {
		t.forget()
	}
	return cp, err
}

// finished remembers that the task's event is done, as ENRICHED now says under cp's fence.
func (t *Task) finished(cp checkpoint) {
	cp.last, cp.unsent, cp.floor, cp.made = t.origin, false, t.queue+1, t.made
	t.conn.checkpoints.put(t.key(), cp)
}

// forget drops what this process believes, so that the streams are asked again.
func (t *Task) forget() {
	t.head = false
	t.conn.checkpoints.drop(t.key())
}

// done acknowledges a task whose event turned out to be done.
func (t *Task) done(ctx context.Context) error {
	t.conn.metrics.task(turnDoneBefore)
	t.acknowledge(ctx)
	return ErrDone
}

// acknowledge does not wait for the server, as nothing depends on it: a task whose acknowledgement is lost is delivered again, and found to be
// done. But where acknowledgements were denied it does, to learn when they are allowed again.
func (t *Task) acknowledge(ctx context.Context) {
	var err error
	if !t.conn.denials.stands(publishing(ackSubjects)) {
		err = t.msg.ack()
	} else {
		// The event is stored: what ends ctx must not end this too early.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), ackTimeout)
		defer cancel()
		err = t.conn.denials.do(ctx, publishing(ackSubjects), t.msg.doubleAck)
	}
	if err != nil {
		t.conn.log.Debug("an acknowledgement was lost: the task is delivered again and found to be done", "error", err)
	}
}

// ackSubjects stands for every acknowledgement where denials are told apart.
const ackSubjects = "$JS.ACK.>"
