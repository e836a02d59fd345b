package broker

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// buryCorrupt moves a message that is not one of ours from QUEUE to DEAD, so that it holds up nothing. When
// that does not work it is left, and delivered again.
func (c *Conn) buryCorrupt(ctx context.Context, msg jetstream.Msg, why error) {
	c.metrics.tasks.WithLabelValues("corrupt").Inc()
	letter := c.corruptLetter(msg, why)
	if err := c.storeCorrupt(ctx, msg, letter); err != nil {
		c.log.Warn("a corrupt message could not be buried, and is delivered again", "error", err)
		return
	}
	c.log.Warn("buried a message that is not a raw event", "reason", why)
	_ = msg.TermWithReason(string(events.ReasonCorrupt)) // when lost, it is delivered and buried again, under the same id
}

// corruptLetter returns a letter with the message's bytes, cut to what it can carry in base64.
func (c *Conn) corruptLetter(msg jetstream.Msg, why error) events.DeadLetter {
	body, detail := msg.Data(), why.Error()
	if limit := int(max(c.maxPayload(), 64<<10)) / 2; len(body) > limit {
		body, detail = body[:limit], detail+"; only its first part is kept"
	}
	return events.DeadLetter{
		ID:          digestOf(msg.Data()),
		Reason:      events.ReasonCorrupt,
		Detail:      detail,
		FailedAt:    c.now().UTC(),
		ContentType: msg.Headers().Get(headerContentType),
		Body:        body,
	}
}

func (c *Conn) storeCorrupt(ctx context.Context, msg jetstream.Msg, letter events.DeadLetter) error {
	id := "dead:" + letter.ID
	if meta, err := msg.Metadata(); err == nil {
		id = fmt.Sprintf("dead:%s:%d:%s", queueStream, meta.Sequence.Stream, letter.ID)
	}
	m, err := deadMessage(ctx, letter, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	_, err = c.publish(ctx, events.StageDead, m, expectStream(deadStream))
	return err
}
