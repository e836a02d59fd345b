package broker

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// ErrNoLetter says that DEAD has no letter at the sequence asked for: there never was one, or it was removed.
var ErrNoLetter = errors.New("there is no such dead letter")

// Buried is a letter in DEAD.
type Buried struct {
	Sequence uint64    // its place in DEAD, which no other letter ever has: what an operator names it by
	BuriedAt time.Time // when DEAD stored it, UTC

	API, Resource, Action, Key string // the tokens of its subject

	Letter events.DeadLetter // whole, unless Err says otherwise
	Err    error             // why the message is not a letter that this version can read
	Size   int               // of Data, bytes
	Data   []byte            // the message as it is stored

	msg *jetstream.RawStreamMsg
}

// DeadFilter chooses letters; its zero value chooses all. The zero value of a field means any.
type DeadFilter struct {
	API           string   // a token: "conversations", "flex", "orchestrator", "unknown"
	Resource      string   // a token
	Key           string   // of order: the conversation, say
	IDs           []string // of the letters' events
	Reasons       []events.Reason
	Last          uint64    // the last sequence that is looked at
	Since, Before time.Time // when it was buried: at Since or after, before Before
}

// DeadLetters returns the letters that f chooses and that are in DEAD now, in the order in which they were buried. They
// are read in batches, each kept only as long as it is used. Those that are buried meanwhile, because a replayed event died
// again, say, are not among them. An error is the last of the sequence.
func (c *Conn) DeadLetters(ctx context.Context, f DeadFilter) iter.Seq2[Buried, error] {
	return func(yield func(Buried, error) bool) {
		end, err := c.deadEnd(ctx)
		if err != nil {
			yield(Buried{}, err)
			return
		}
		if f.Last != 0 {
			end = min(end, f.Last)
		}
		request := batchRequest{Subject: f.subject(), Seq: 1}
		if !f.Since.IsZero() {
			request.Seq, request.StartTime = 0, &f.Since
		}
		for {
			messages, err := c.readBatch(ctx, deadStream, request)
			if err != nil {
				yield(Buried{}, err)
				return
			}
			for _, m := range messages {
				if m.Sequence > end {
					return
				}
				if b := newBuried(m); f.chooses(b) && !yield(b, nil) {
					return
				}
			}
			if len(messages) == 0 {
				return
			}
			request.Seq, request.StartTime = messages[len(messages)-1].Sequence+1, nil
		}
	}
}

// DeadLetter returns the letter at a sequence of DEAD, or ErrNoLetter.
func (c *Conn) DeadLetter(ctx context.Context, seq uint64) (Buried, error) {
	m, err := c.get(ctx, deadStream, "", func(ctx context.Context, s jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return s.GetMsg(ctx, seq)
	})
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return Buried{}, ErrNoLetter
	case err != nil:
		return Buried{}, err
	}
	return newBuried(m), nil
}

// deadEnd returns the last sequence of DEAD.
func (c *Conn) deadEnd(ctx context.Context) (uint64, error) {
	info, err := c.askLeader(ctx, deadStream)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		return 0, fmt.Errorf("%w: provision the streams", err)
	case err != nil:
		return 0, err
	}
	return info.State.LastSeq, nil
}

func newBuried(m *jetstream.RawStreamMsg) Buried {
	b := Buried{Sequence: m.Sequence, BuriedAt: m.Time.UTC(), Size: len(m.Data), Data: m.Data, msg: m}
	if tokens := strings.Split(m.Subject, "."); len(tokens) == 6 {
		b.API, b.Resource, b.Action, b.Key = tokens[2], tokens[3], tokens[4], tokens[5]
	}
	b.Letter, b.Err = events.DecodeDead(m.Data)
	if b.Err == nil && b.Letter.Subject() != m.Subject {
		b.Err = errors.New("the letter does not belong on its subject")
	}
	return b
}

// subject matches at least what f chooses.
func (f DeadFilter) subject() string {
	return events.Pattern(events.StageDead, events.API(f.API), f.Resource, "", f.Key)
}

func (f DeadFilter) chooses(b Buried) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, b.Letter.ID)) &&
		(len(f.Reasons) == 0 || slices.Contains(f.Reasons, b.Letter.Reason)) &&
		!b.BuriedAt.Before(f.Since) &&
		(f.Before.IsZero() || b.BuriedAt.Before(f.Before))
}
