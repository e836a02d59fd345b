package broker

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// checkpoint is how far a key has come, as ENRICHED tells it.
type checkpoint struct {
	fence  uint64 // the last sequence on the key in ENRICHED: what the next outcome must still find there
	last   origin // of the event that this is the outcome of
	unsent bool   // this is a burial, and its letter may not be in DEAD yet
	floor  uint64 // what is on the key in QUEUE below this sequence is done; this process's own knowledge
	made   int64  // the QUEUE in which that is true, as consumer.made has it
}

// covers reports whether the event at o is done. Events of a key are finished in order, each published or buried.
func (cp checkpoint) covers(o origin) bool { return cp.last.reaches(o) }

// checkpoint returns what is known of key, from this process's memory or else from the streams. Memory can be behind, never ahead: another
// process may have gone on, and the fence finds that out. A direct get may be answered by a replica that is behind: the same.
func (c *Conn) checkpoint(ctx context.Context, key string) (checkpoint, error) {
	if cp, ok := c.checkpoints.get(key); ok {
		return cp, nil
	}
	cp, err := c.readCheckpoint(ctx, key)
	if err != nil {
		return checkpoint{}, err
	}
	c.checkpoints.put(key, cp)
	return cp, nil
}

func (c *Conn) readCheckpoint(ctx context.Context, key string) (checkpoint, error) {
	m, err := c.getLast(ctx, enrichedStream, outcomesOn(key))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return checkpoint{}, nil
	}
	if err != nil {
		return checkpoint{}, err
	}
	return checkpoint{fence: m.Sequence, last: carriedOrigin(m.Header), unsent: isBurial(m)}, nil
}

func (c *Conn) getLast(ctx context.Context, stream, subject string) (*jetstream.RawStreamMsg, error) {
	return c.get(ctx, stream, "."+subject, func(ctx context.Context, s jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return s.GetLastMsgForSubject(ctx, subject)
	})
}

// getFrom returns the first message on subject at or after seq.
func (c *Conn) getFrom(ctx context.Context, stream, subject string, seq uint64) (*jetstream.RawStreamMsg, error) {
	return c.get(ctx, stream, "", func(ctx context.Context, s jetstream.Stream) (*jetstream.RawStreamMsg, error) {
		return s.GetMsg(ctx, max(seq, 1), jetstream.WithGetMsgSubject(subject))
	})
}

// get reads a message from any replica of stream. rest is what read adds to the subject of the request, which may be denied by itself.
func (c *Conn) get(ctx context.Context, stream, rest string, read func(context.Context, jetstream.Stream) (*jetstream.RawStreamMsg, error)) (*jetstream.RawStreamMsg, error) {
	s, err := c.stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	var m *jetstream.RawStreamMsg
	err = c.denials.do(ctx, publishing("$JS.API.DIRECT.GET."+stream+rest), func(ctx context.Context) (err error) {
		m, err = read(ctx, s)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read from stream %s: %w", stream, err)
	}
	return m, nil
}

// cachedCheckpoints bounds the memory of a process: some 10 MB.
const cachedCheckpoints = 50_000

// checkpointCache keeps the checkpoints that were used last. Its zero value is not usable.
type checkpointCache struct {
	mu    sync.Mutex
	limit int
	byKey map[string]*list.Element
	order *list.List // of *cachedCheckpoint, the one used last in front
}

type cachedCheckpoint struct {
	key string
	checkpoint
}

func newCheckpointCache(limit int) *checkpointCache {
	return &checkpointCache{limit: limit, byKey: make(map[string]*list.Element), order: list.New()}
}

func (c *checkpointCache) get(key string) (checkpoint, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.byKey[key]
	if !ok {
		return checkpoint{}, false
	}
	c.order.MoveToFront(e)
	return entry(e).checkpoint, true
}

func (c *checkpointCache) put(key string, cp checkpoint) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		entry(e).checkpoint = cp
		c.order.MoveToFront(e)
		return
	}
	c.byKey[key] = c.order.PushFront(&cachedCheckpoint{key, cp})
	if c.order.Len() > c.limit {
		c.remove(c.order.Back())
	}
}

func (c *checkpointCache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byKey[key]; ok {
		c.remove(e)
	}
}

func (c *checkpointCache) remove(e *list.Element) {
	delete(c.byKey, entry(e).key)
	c.order.Remove(e)
}

func entry(e *list.Element) *cachedCheckpoint {
	cached, _ := e.Value.(*cachedCheckpoint) // put stores nothing else
	return cached
}
