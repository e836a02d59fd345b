package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A direct get may be answered by a replica that is behind. What must be known for certain is asked of the leader.

// askLeader asks the leader of a stream about it.
func (c *Conn) askLeader(ctx context.Context, stream string) (info *jetstream.StreamInfo, err error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	err = c.denials.do(ctx, publishing("$JS.API.STREAM.INFO."+stream), func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, stream)
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	return info, nil
}

// leaderRequest asks for one message: the one at Seq or, where there is a Subject, the first on that at or after Seq.
type leaderRequest struct {
	Seq     uint64 `json:"seq"`
	Subject string `json:"next_by_subj,omitempty"`
}

type leaderAnswer struct {
	Error   *jetstream.APIError `json:"error"`
	Message *struct {
		Subject string    `json:"subject"`
		Seq     uint64    `json:"seq"`
		Header  []byte    `json:"hdrs"`
		Data    []byte    `json:"data"`
		Time    time.Time `json:"time"`
	} `json:"message"`
}

// getFromLeader asks the leader of a stream for the message at seq or, where subject is not "", for the first on that at or
// after seq; nil where there is none.
func (c *Conn) getFromLeader(ctx context.Context, stream string, seq uint64, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	request, err := json.Marshal(leaderRequest{seq, subject})
	if err != nil {
		return nil, fmt.Errorf("ask the leader of stream %s: %w", stream, err)
	}
	var answer leaderAnswer
	to := "$JS.API.STREAM.MSG.GET." + stream
	err = c.denials.do(ctx, publishing(to), func(ctx context.Context) error {
		m, err := c.nc.RequestWithContext(ctx, to, request)
		if err != nil {
			return err
		}
		return json.Unmarshal(m.Data, &answer)
	})
	var m *jetstream.RawStreamMsg
	if err == nil {
		m, err = answer.message()
	}
	if err != nil {
		return nil, fmt.Errorf("ask the leader of stream %s: %w", stream, err)
	}
	return m, nil
}

// message returns what the leader holds, nil for nothing.
func (a leaderAnswer) message() (*jetstream.RawStreamMsg, error) {
	switch {
	case a.Error != nil && a.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, nil //nolint:nilnil // nothing is an answer
	case a.Error != nil:
		return nil, a.Error
	case a.Message == nil:
		return nil, errors.New("an answer without a message")
	}
	m := &jetstream.RawStreamMsg{Subject: a.Message.Subject, Sequence: a.Message.Seq, Data: a.Message.Data, Time: a.Message.Time}
	if len(a.Message.Header) == 0 {
		return m, nil
	}
	var err error
	m.Header, err = nats.DecodeHeadersMsg(a.Message.Header)
	return m, err
}
