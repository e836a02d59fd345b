package broker

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// buryCorrupt moves a message that is not one of ours from QUEUE to DEAD, so that it holds up nothing. When
// that does not work it is left, and delivered again.
func (c *Conn) buryCorrupt(ctx context.Context, msg jetstream.Msg, why error) {
	c.metrics.task(turnCorrupt)
	letter, o := c.corruptLetter(msg.Data(), msg.Headers(), why), sourceOrigin(msg.Headers())
	id := "dead:" + letter.ID
	switch meta, err := msg.Metadata(); {
	case o.known():
		id = letterID(o)
	case err == nil:
		id = fmt.Sprintf("dead:%s:%d:%s", queueStream, meta.Sequence.Stream, letter.ID)
	}
	if err := c.storeCorrupt(ctx, letter, id); err != nil {
		c.log.Warn("a corrupt message could not be buried, and is delivered again", "error", err)
		return
	}
	if o.known() {
		if err := c.writeEnded(ctx, o); err != nil { // an audit then stores the letter again, under the same id
			c.log.Warn("it could not be written down that a corrupt message was buried", "error", err)
		}
	}
	c.log.Warn("buried a message that is not a raw event", "reason", why)
	_ = msg.TermWithReason(string(events.ReasonCorrupt)) // when lost, it is delivered and buried again, under the same id
}

// corruptLetter returns a letter with the message's bytes, cut to what it can carry in base64.
func (c *Conn) corruptLetter(body []byte, header nats.Header, why error) events.DeadLetter {
	id, detail := events.Digest(body), why.Error()
	if limit := int(max(c.maxPayload(), 64<<10)) / 2; len(body) > limit {
		body, detail = body[:limit], detail+"; only its first part is kept"
	}
	return events.DeadLetter{
		ID:          id,
		Reason:      events.ReasonCorrupt,
		Detail:      detail,
		FailedAt:    c.now().UTC(),
		ContentType: header.Get(headerContentType),
		Body:        body,
	}
}

// storeCorrupt stores a letter that is on no key, under an id.
func (c *Conn) storeCorrupt(ctx context.Context, letter events.DeadLetter, id string) error {
	m, err := deadMessage(ctx, letter, id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return c.storeLetter(ctx, m)
}
