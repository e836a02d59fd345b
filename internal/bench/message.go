package bench

import (
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// stored returns what ingest stores of w: the same subject, the same headers, the same bytes.
func stored(w sandbox.Webhook) (*nats.Msg, error) {
	accepted, rejected := events.Parse(events.Delivery{
		Feed: w.Feed, Method: w.Method, ContentType: w.ContentType, Body: w.Body, IdempotencyToken: w.Token,
		Signer: owners(), ReceivedAt: time.Now().UTC(),
	})
	if len(accepted) != 1 || len(rejected) > 0 {
		return nil, errors.New("parse a webhook of the bench's own: it was not accepted")
	}
	data, err := events.EncodeRaw(accepted[0])
	if err != nil {
		return nil, fmt.Errorf("encode raw event: %w", err)
	}
	m := nats.NewMsg(accepted[0].Subject(events.StageRaw))
	m.Data = data
	m.Header.Set("Content-Type", events.ContentType)
	m.Header.Set(jetstream.MsgIDHeader, accepted[0].ID)
	return m, nil
}
