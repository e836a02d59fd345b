package broker

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"
)

// checkpoint is how far a key has come, as the streams tell it.
type checkpoint struct {
	fence    uint64 // the last sequence on the key in ENRICHED: what the next publish must still find there
	enriched origin // of the last event on the key in ENRICHED
	buried   origin // of the last event on the key in DEAD
	masked   bool   // the last on the key in DEAD is ingest's, which never had an origin: ask for each event
	floor    uint64 // what is on the key in QUEUE below this sequence is done; this process's own knowledge
}

// covers reports whether the event at o is done. Events of a key are finished in order, each published or buried.
func (cp checkpoint) covers(o origin) bool { return cp.enriched.reaches(o) || cp.buried.reaches(o) }

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
	fence, enriched, err := c.last(ctx, enrichedStream, enrichedOn(key))
	if err != nil {
		return checkpoint{}, err
	}
	letter, buried, err := c.last(ctx, deadStream, deadOn(key))
	if err != nil {
		return checkpoint{}, err
	}
	return checkpoint{fence: fence, enriched: enriched, buried: buried, masked: letter != 0 && !buried.known()}, nil
}

// updateBuried asks DEAD again how far cp's key has come there. That another process has published on the key the fence finds
// out; that one has buried it does not. What cp knew already stays known, although a replica that is behind answers.
func (c *Conn) updateBuried(ctx context.Context, key string, cp *checkpoint) error {
	letter, buried, err := c.last(ctx, deadStream, deadOn(key))
	if err != nil {
		return err
	}
	cp.masked = letter != 0 && !buried.known()
	if buried.known() && !cp.buried.reaches(buried) {
		cp.buried = buried
	}
	return nil
}

// last returns the sequence of the last message on subject and the origin that it carries, zeros for none.
func (c *Conn) last(ctx context.Context, stream, subject string) (uint64, origin, error) {
	m, err := c.getLast(ctx, stream, subject)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return 0, origin{}, nil
	}
	if err != nil {
		return 0, origin{}, err
	}
	return m.Sequence, carriedOrigin(m.Header), nil
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
