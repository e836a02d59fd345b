package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The bucket in which each process that takes tasks has a key. It is an ordinary one: `nats kv ls ROLLCALL_MEMBERS` lists them.
const (
	membersStream  = "KV_ROLLCALL_MEMBERS"
	membersPrefix  = "$KV.ROLLCALL_MEMBERS."
	headerKV       = "KV-Operation"
	kvDelete       = "DEL"
	memberTTLMost  = 15 * time.Second
	memberTTLLeast = time.Second
	// A member is heard of before its key is stored; read too early, it is found at the next beat.
	hintSettles = 50 * time.Millisecond
)

// memberTTL is half of AckWait: what a dead process held is delivered again after AckWait, and by then
// its partitions have other owners.
func (t Topology) memberTTL() time.Duration {
	return min(max(t.AckWait/2, memberTTLLeast), memberTTLMost)
}

// members is the bucket. It is as a client of NATS would make one.
func (t Topology) members() jetstream.StreamConfig {
	cfg := t.limits(membersStream, "The enrichers that there are: for speed, not for order", t.memberTTL(), membersPrefix+">")
	cfg.MaxMsgsPerSubject = 1
	cfg.AllowRollup = true
	cfg.DenyDelete = true
	cfg.Duplicates = min(t.memberTTL(), t.Duplicates)
	return cfg
}

// members knows which processes take tasks. Each writes its key three times in the TTL; one whose key has not changed for the TTL, by
// this process's clock, is gone. Nothing but speed rests on it: two processes may
// know different members, and a partition may have two owners, or none, for a while.
type members struct {
	conn  *Conn
	self  string
	ttl   time.Duration
	hints chan struct{} // the bucket may hold something new

	hearing *nats.Subscription

	mu   sync.Mutex
	seen map[string]sighting
}

type sighting struct {
	revision uint64
	at       time.Time
}

// join makes this process a member. The bucket may not be there, or not to be read: then nobody is known.
func (c *Conn) join(ctx context.Context) *members {
	m := &members{conn: c, self: c.member, ttl: memberTTLMost, hints: make(chan struct{}, 1), seen: map[string]sighting{}}
	m.hearing, _ = c.nc.Subscribe(membersPrefix+"*", m.heard) // before the first look, so that nobody is missed; without it there are the beats
	m.beat(ctx)
	return m
}

// run stays a member until ctx is done, and tells changed whenever there are others than before.
func (m *members) run(ctx context.Context, changed func([]string)) {
	defer m.leave()
	var known []string
	for {
		if now := m.names(); !slices.Equal(now, known) {
			changed(now)
			known = now
		}
		m.await(ctx)
		if ctx.Err() != nil {
			return
		}
	}
}

// await waits for the next beat, or for less when there may be something new, and then looks at the bucket.
func (m *members) await(ctx context.Context) {
	beat := time.NewTimer(m.ttl / 3)
	defer beat.Stop()
	select {
	case <-ctx.Done():
	case <-beat.C:
		m.beat(ctx)
	case <-m.hints:
		settle := time.NewTimer(hintSettles)
		defer settle.Stop()
		select {
		case <-ctx.Done():
		case <-settle.C:
			m.ask(ctx, m.look) // not written: what is heard of our own key must not lead to another
		}
	}
}

// beat says that this process is there, and looks who else is. What it cannot find out stays as it was.
func (m *members) beat(ctx context.Context) {
	m.ask(ctx, func(ctx context.Context) error { return errors.Join(m.write(ctx), m.look(ctx)) })
}

func (m *members) ask(ctx context.Context, what func(context.Context) error) {
	asking, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	if err := what(asking); ctx.Err() == nil {
		m.conn.memberOutage.note(allPartitions, err)
	}
}

func (m *members) write(ctx context.Context) error {
	s, err := m.conn.stream(ctx, membersStream)
	if err != nil {
		return err
	}
	m.ttl = cmp.Or(s.CachedInfo().Config.MaxAge, m.ttl)
	key := nats.NewMsg(membersPrefix + m.self)
	err = m.conn.denials.do(ctx, publishing(key.Subject), func(ctx context.Context) error {
		_, err := m.conn.js.PublishMsg(ctx, key, jetstream.WithExpectStream(membersStream), jetstream.WithRetryAttempts(0))
		return err
	})
	if err != nil {
		return fmt.Errorf("write to stream %s: %w", membersStream, err)
	}
	return nil
}

// look reads the bucket, one key after the other: there are few.
func (m *members) look(ctx context.Context) error {
	found := map[string]uint64{}
	for seq := uint64(1); ; {
		key, err := m.conn.getFrom(ctx, membersStream, membersPrefix+"*", seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			m.update(found)
			return nil
		}
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(key.Subject, membersPrefix)
		found[name] = key.Sequence
		if left(key.Header) {
			found[name] = 0
		}
		seq = key.Sequence + 1
	}
}

// update takes over the revision of each key that was found; 0 for a member that has left. One that was not found may only
// be on its way to the replica that answered, or in a bucket that was made anew: it has its TTL.
func (m *members) update(found map[string]uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.conn.now()
	for name, revision := range found {
		switch {
		case revision == 0:
			delete(m.seen, name)
		case m.seen[name].revision != revision:
			m.seen[name] = sighting{revision, now}
		}
	}
	maps.DeleteFunc(m.seen, func(_ string, s sighting) bool { return now.Sub(s.at) > m.ttl })
}

// heard is told of each key as it is written: the bucket is looked at when that makes a difference.
func (m *members) heard(key *nats.Msg) {
	m.mu.Lock()
	_, known := m.seen[strings.TrimPrefix(key.Subject, membersPrefix)]
	m.mu.Unlock()
	if known != left(key.Header) { // neither a newcomer, nor a known one that leaves
		return
	}
	select {
	case m.hints <- struct{}{}:
	default:
	}
}

// left reports whether a key's message says that its member has gone.
func left(h nats.Header) bool { return h.Get(headerKV) != "" }

// leave tells the others at once. When that is lost, they find out after the TTL.
func (m *members) leave() {
	if m.hearing != nil {
		_ = m.hearing.Unsubscribe()
	}
	key := nats.NewMsg(membersPrefix + m.self)
	key.Header.Set(headerKV, kvDelete)
	_ = m.conn.nc.PublishMsg(key)
}

// names returns who is there, in order.
func (m *members) names() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.seen))
}
