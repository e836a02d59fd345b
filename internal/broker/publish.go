package broker

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel"

	"github.com/rollcall-events/rollcall/events"
)

// deadHeadroom is how much larger than its event a dead letter may be: no raw message is taken that could not be
// buried whole.
const deadHeadroom = 16 << 10

// PublishRaw stores e in RAW and returns once the server has acknowledged it. An event
// whose ID is already there is a success: duplicate is true and nothing is stored. It takes as long as ctx
// allows, or 5 s where ctx has no deadline. After an error of any kind the event may still have been
// stored, and the same event may be published again without harm. An error with TooLarge() bool that returns true is permanent.
func (c *Conn) PublishRaw(ctx context.Context, e events.Event) (duplicate bool, err error) {
	m, err := rawMessage(ctx, e)
	if err != nil {
		return false, err
	}
	return c.store(ctx, m)
}

// PublishDead stores d in DEAD and returns once acknowledged, at most once per letter ID within the
// topology's Duplicates. A letter that is too large is stored in a shorter form. Its errors are those of PublishRaw.
func (c *Conn) PublishDead(ctx context.Context, d events.DeadLetter) error {
	return longestOf(d, func(form events.DeadLetter) error {
		m, err := letterMessage(ctx, form)
		if err != nil {
			return err
		}
		_, err = c.store(ctx, m)
		return err
	})
}

// letterMessage is the message of a letter that is not about a task.
func letterMessage(ctx context.Context, d events.DeadLetter) (*nats.Msg, error) {
	return deadMessage(ctx, d, "dead:"+d.Identified().ID)
}

func rawMessage(ctx context.Context, e events.Event) (*nats.Msg, error) {
	data, err := events.EncodeRaw(e)
	if err != nil {
		return nil, err
	}
	return newMessage(ctx, e.Subject(events.StageRaw), e.ID, data), nil
}

func deadMessage(ctx context.Context, d events.DeadLetter, id string) (*nats.Msg, error) {
	data, err := events.EncodeDead(d)
	if err != nil {
		return nil, err
	}
	return newMessage(ctx, d.Subject(), id, data), nil
}

func newMessage(ctx context.Context, subject, id string, data []byte) *nats.Msg {
	m := nats.NewMsg(subject)
	m.Data = data
	m.Header.Set(headerContentType, events.ContentType)
	m.Header.Set(jetstream.MsgIDHeader, id)
	otel.GetTextMapPropagator().Inject(ctx, headerCarrier(m.Header))
	return m
}

// store publishes a message of ingest to the stream of its stage.
func (c *Conn) store(ctx context.Context, m *nats.Msg) (duplicate bool, err error) {
	return c.storeWithin(ctx, m, 0)
}

// storeWithin is store with a limit of its own; 0 leaves that to ctx, or 5 s.
func (c *Conn) storeWithin(ctx context.Context, m *nats.Msg, limit time.Duration) (duplicate bool, err error) {
	to := destinationOf(m)
	ack, err := c.send(ctx, m, sending{to.stage, to.headroom, limit}, expectStream(to.stream))
	if err != nil {
		return false, fmt.Errorf("publish to %s: %w", to.stream, err)
	}
	return ack.Duplicate, nil
}

type destination struct {
	stage    events.Stage
	stream   string
	headroom int64
}

func destinationOf(m *nats.Msg) destination {
	if strings.HasPrefix(m.Subject, deadPrefix) {
		return destination{events.StageDead, deadStream, 0}
	}
	return destination{events.StageRaw, rawStream, deadHeadroom}
}

// expectation is what a message asks JetStream to refuse it for, in its headers.
type expectation func(nats.Header)

func expectStream(name string) expectation {
	return func(h nats.Header) { h.Set(jetstream.ExpectedStreamHeader, name) }
}

// expectLast is the fence: the last message on subjects must be the one of that sequence, 0 being none.
func expectLast(sequence uint64, subjects string) expectation {
	return func(h nats.Header) {
		h.Set(jetstream.ExpectedLastSubjSeqSubjHeader, subjects)
		h.Set(jetstream.ExpectedLastSubjSeqHeader, strconv.FormatUint(sequence, 10))
	}
}

// publish sends m and waits for the server's acknowledgement, as long as ctx allows, or 5 s where it has no deadline.
func (c *Conn) publish(ctx context.Context, stage events.Stage, m *nats.Msg, all ...expectation) (*jetstream.PubAck, error) {
	return c.send(ctx, m, sending{stage: stage}, all...)
}

// sending is how a message is sent.
type sending struct {
	stage    events.Stage
	headroom int64         // how much smaller than the server's limit it must be, in bytes
	limit    time.Duration // for its acknowledgement; 0 leaves that to the context
}

// send is the one way of every message. What it expects is not part of its size: of one that had its place elsewhere
// before, in the outbox, a few more bytes must not make one too large.
func (c *Conn) send(ctx context.Context, m *nats.Msg, how sending, all ...expectation) (ack *jetstream.PubAck, err error) {
	started := c.now()
	if err = c.checkSize(m, how.headroom); err == nil {
		for _, expect := range all {
			expect(m.Header)
		}
		if ack, err = c.acks.publish(ctx, c.nc, m, how.limit); err == nil {
			c.denials.succeeded(publishing(m.Subject))
		}
	}
	if isFenced(err) {
		err = fmt.Errorf("%w: %w", ErrFenced, err)
	}
	ended, o := c.now(), outcomeOf(ack, err)
	c.metrics.published(how.stage, ended.Sub(started), o)
	c.unstored.note(how.stage, o, ended)
	return ack, err
}

// headerSlack is more than what is expected of a message adds to it.
const headerSlack = 512

// checkSize compares m with the server's limit, once a server has told it.
func (c *Conn) checkSize(m *nats.Msg, headroom int64) error {
	most := c.maxPayload()
	if size, limit := int64(m.Size())+headerSlack, most-headroom; most > 0 && size > limit {
		return &TooLargeError{Size: size, Limit: limit}
	}
	return nil
}

// headerCarrier lets a trace context into headers under its own lower-case names: those of NATS, unlike
// those of HTTP, are told apart by case.
type headerCarrier nats.Header

// Get implements propagation.TextMapCarrier.
func (h headerCarrier) Get(key string) string { return nats.Header(h).Get(key) }

// Set implements propagation.TextMapCarrier.
func (h headerCarrier) Set(key, value string) { nats.Header(h).Set(key, value) }

// Keys implements propagation.TextMapCarrier.
func (h headerCarrier) Keys() []string {
	keys := make([]string, 0, len(h))
	for k := range h {
		keys = append(keys, k)
	}
	return keys
}
