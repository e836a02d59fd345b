package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/nats-io/nats.go/jetstream"
)

// RemoveDead removes the letters and overwrites them on the server's disk, one after the other: side by side it takes no less time, and the
// server answers nobody else's questions for seconds. It tells done of each that is gone. It can be stopped anywhere and run again.
func (c *Conn) RemoveDead(ctx context.Context, letters iter.Seq2[Buried, error], done func(Buried)) error {
	for b, err := range letters {
		if err != nil {
			return err
		}
		if err := c.removeLetter(ctx, b, erase); err != nil {
			return err
		}
		done(b)
	}
	return nil
}

// erasure is whether the server overwrites what it removes, which takes it some 20 times as long.
type erasure bool

const (
	erase erasure = true
	leave erasure = false
)

func (c *Conn) removeLetter(ctx context.Context, b Buried, how erasure) error {
	if err := c.deleteMessage(ctx, b.Sequence, how); err != nil {
		return fmt.Errorf("remove letter %d from stream %s: %w", b.Sequence, deadStream, err)
	}
	return nil
}

// errCodeSequenceNotFound is the server's "sequence not found".
const errCodeSequenceNotFound jetstream.ErrorCode = 10043

// deleteMessage removes a message from DEAD. One that is not there is a success.
func (c *Conn) deleteMessage(ctx context.Context, seq uint64, how erasure) error {
	const subject = "$JS.API.STREAM.MSG.DELETE." + deadStream
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	var answer struct {
		Success bool                `json:"success"`
		Error   *jetstream.APIError `json:"error"`
	}
	err := c.denials.do(ctx, publishing(subject), func(ctx context.Context) error {
		m, err := c.nc.RequestWithContext(ctx, subject, fmt.Appendf(nil, `{"seq":%d,"no_erase":%t}`, seq, !how))
		if err != nil {
			return err
		}
		return json.Unmarshal(m.Data, &answer)
	})
	switch {
	case err != nil:
		return err
	case answer.Success, answer.Error != nil && answer.Error.ErrorCode == errCodeSequenceNotFound:
		return nil
	}
	// The server has several words for what is not there. A letter that another command removed is not there.
	if _, err := c.DeadLetter(ctx, seq); errors.Is(err, ErrNoLetter) {
		return nil
	}
	if answer.Error != nil {
		return answer.Error
	}
	return errors.New("the server did not remove it")
}
