package broker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// How much the server may answer one request with. At most one message goes beyond batchBytes.
const (
	batchMessages = 500
	batchBytes    = 16 << 20
	batchTimeout  = 10 * time.Second // of silence
)

// batchRequest asks a stream for several messages at once; batchMessages and batchBytes where it does not say how many. It leaves no consumer behind and needs no right to make one, which
// would also be a right to have messages delivered anywhere.
type batchRequest struct {
	Subject   string     `json:"next_by_subj"`
	Seq       uint64     `json:"seq,omitempty"`        // the first; or
	StartTime *time.Time `json:"start_time,omitempty"` // its time
	Batch     int        `json:"batch"`
	MaxBytes  int        `json:"max_bytes"`
}

// readBatch returns the next messages on the request's subject, in order; none at the end of the stream.
func (c *Conn) readBatch(ctx context.Context, stream string, request batchRequest) (messages []*jetstream.RawStreamMsg, err error) {
	request.Batch, request.MaxBytes = cmp.Or(request.Batch, batchMessages), cmp.Or(request.MaxBytes, batchBytes)
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("ask stream %s for messages: %w", stream, err)
	}
	subject := "$JS.API.DIRECT.GET." + stream
	err = c.denials.do(ctx, publishing(subject), func(ctx context.Context) (err error) {
		messages, err = c.requestMany(ctx, subject, body)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read from stream %s: %w", stream, err)
	}
	return messages, nil
}

func (c *Conn) requestMany(ctx context.Context, subject string, body []byte) ([]*jetstream.RawStreamMsg, error) {
	inbox := c.nc.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err := sub.SetPendingLimits(-1, -1); err != nil { // the request is the limit
		return nil, err
	}
	if err := c.nc.PublishRequest(subject, inbox, body); err != nil {
		return nil, err
	}
	var messages []*jetstream.RawStreamMsg
	for {
		m, err := nextWithin(ctx, sub, batchTimeout)
		if err != nil {
			return nil, err
		}
		switch status := m.Header.Get(headerStatus); status {
		case "":
		case "204", "404": // the end of the batch, or nothing in it
			return messages, nil
		default:
			return nil, fmt.Errorf("the server refused the request: %s %s", status, m.Header.Get(headerDescription))
		}
		raw, err := rawStreamMessage(m)
		if err != nil {
			return nil, err
		}
		messages = append(messages, raw)
	}
}

func nextWithin(ctx context.Context, sub *nats.Subscription, timeout time.Duration) (*nats.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return sub.NextMsgWithContext(ctx)
}

// rawStreamMessage reads from a direct answer where the message stands in its stream.
func rawStreamMessage(m *nats.Msg) (*jetstream.RawStreamMsg, error) {
	seq, seqErr := strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
	at, timeErr := time.Parse(time.RFC3339Nano, m.Header.Get(jetstream.TimeStampHeaer))
	if seqErr != nil || timeErr != nil {
		return nil, errors.New("an answer that does not say where it stands in the stream")
	}
	return &jetstream.RawStreamMsg{Subject: m.Header.Get(jetstream.SubjectHeader), Sequence: seq, Header: m.Header, Data: m.Data, Time: at}, nil
}
