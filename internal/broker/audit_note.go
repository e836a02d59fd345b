package broker

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
)

// writeEnded writes down, for audits, that the event at o has its letter in DEAD.
func (c *Conn) writeEnded(ctx context.Context, o origin) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return c.writeNote(ctx, auditNote(auditEnded, o))
}

// auditNote is a note for audits on the event at o.
func auditNote(subject string, o origin) *nats.Msg {
	m := nats.NewMsg(subject)
	o.write(m.Header)
	return m
}

// writeNote stores a note for audits.
func (c *Conn) writeNote(ctx context.Context, note *nats.Msg) error {
	if _, err := c.publish(ctx, stageAudit, note, expectStream(enrichedStream)); err != nil {
		return fmt.Errorf("publish to %s: %w", enrichedStream, err)
	}
	return nil
}
