package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/rollcall-events/rollcall/events"
)

const (
	outboxStream   = "ROLLCALL_OUTBOX"
	outboxMaxBytes = 1 << 30         // by default
	outboxReserve  = 3 << 19         // for what may come: a body of 1 MiB, in base64, in its dead letter; a quarter of a small outbox
	directTimeout  = 2 * time.Second // for NATS, before an event goes to disk
	keepTimeout    = 5 * time.Second // for the disk, where ctx allows that much

	// outboxDuplicates is how long this server remembers ids: as short as it allows, since RAW remembers them for hours, and here each would take some
	// 150 bytes of ingest's memory.
	outboxDuplicates = 100 * time.Millisecond

	// keepers is more messages than are ever on their way to disk. Who has them all knows that there is none.
	keepers = math.MaxInt64

	// storeSlack is how much more than MaxBytes this server may store. So the stream's limit is always met before the server's own, beyond which it
	// gives up JetStream as a whole, and neither depends on what happens to be free when it starts.
	storeSlack = 64 << 20
)

// OutboxConfig is for the store on ingest's own disk.
type OutboxConfig struct {
	Dir      string // for this process alone
	MaxBytes int64  // default 1 GiB
}

// Outbox stores events in NATS and, while NATS does not take them in time, on this
// machine's disk, in order: while anything waits there, every new event queues behind it. When Put(a) has returned
// before Put(b) is called, a is stored in NATS before b.
//
// What that rests on: waiting is set before a message goes to disk, and cleared only while no message is on
// its way there and the disk holds none, each having been acknowledged by NATS. So a Put that finds it
// cleared can pass nobody whose Put has returned. Two Puts at the same time are in no order.
//
// NATS may have stored what it did not acknowledge in time: the copy from disk has the same id, and is
// dropped as a duplicate if it comes there within the duplicate window of RAW or DEAD. An event that waits for longer is stored, and enriched, again.
type Outbox struct {
	conn    *Conn
	server  *Embedded
	disk    *Conn // to server
	stream  jetstream.Stream
	log     *slog.Logger
	metrics *outboxMetrics
	cfg     OutboxConfig
	wake    chan struct{} // something has been kept, or Run is to look again
	doubts  chan struct{} // something could not be
	close   sync.Once

	waiting atomic.Bool
	keeping *semaphore.Weighted // each message on its way to disk has one of keepers; unlike a mutex it is waited for within a context
	broken  atomic.Bool
	refused atomic.Int64 // how large the largest message is that had no room, since there was last room for it
}

// OpenOutbox opens the store in cfg.Dir, with what an earlier process left in it. conn should fail fast.
func OpenOutbox(ctx context.Context, conn *Conn, cfg OutboxConfig) (*Outbox, error) {
	cfg.MaxBytes = cmp.Or(cfg.MaxBytes, outboxMaxBytes)
	if cfg.MaxBytes < 1<<20 {
		return nil, errors.New("open outbox: it must be given at least 1 MiB")
	}
	server, err := StartEmbedded(ctx, EmbeddedConfig{Dir: cfg.Dir, SyncAlways: true, MaxStore: cfg.MaxBytes + storeSlack, Name: "rollcall-outbox", Log: conn.log})
	if err != nil {
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	o := &Outbox{
		conn: conn, server: server, log: conn.log, cfg: cfg, wake: make(chan struct{}, 1), doubts: make(chan struct{}, 1),
		keeping: semaphore.NewWeighted(keepers),
	}
	if err := o.open(ctx); err != nil {
		o.Close()
		return nil, fmt.Errorf("open outbox: %w", err)
	}
	return o, nil
}

func (o *Outbox) open(ctx context.Context) (err error) {
	if o.disk, err = o.server.Connect(ctx, Config{Name: "outbox"}); err != nil {
		return err
	}
	o.stream, err = o.disk.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name:        outboxStream,
		Subjects:    []string{rawSubjects, "rollcall.dead.>"}, // each message under the subject that it is on its way to
		Retention:   jetstream.LimitsPolicy,
		Discard:     jetstream.DiscardNew,
		MaxBytes:    o.cfg.MaxBytes,
		Storage:     jetstream.FileStorage,
		Duplicates:  outboxDuplicates,
		AllowDirect: true,
	})
	if err != nil {
		return fmt.Errorf("declare its stream: %w", err)
	}
	o.waiting.Store(o.stream.CachedInfo().State.Msgs > 0)
	o.metrics, err = newOutboxMetrics(o.state, o.conn.cfg.Registerer)
	return err
}

// Put stores e in NATS or else on disk; after nil it is not lost. NATS is given 2 s, and no more than half of what
// ctx leaves; the disk 5 s, and no more than ctx leaves. An error with TooLarge() bool that returns true says that there will never be room
// for e.
func (o *Outbox) Put(ctx context.Context, e events.Event) error {
	m, err := rawMessage(ctx, e)
	if err != nil {
		return err
	}
	return o.put(ctx, m)
}

// Bury is Put for a dead letter. One that is too large is stored in a shorter form.
func (o *Outbox) Bury(ctx context.Context, d events.DeadLetter) error {
	return longestOf(d, func(form events.DeadLetter) error {
		m, err := letterMessage(ctx, form)
		if err != nil {
			return err
		}
		return o.put(ctx, m)
	})
}

func (o *Outbox) put(ctx context.Context, m *nats.Msg) error {
	if err := o.conn.checkSize(m, destinationOf(m).headroom); err != nil {
		return err
	}
	var why error
	if !o.waiting.Load() {
		if why = o.direct(ctx, m); why == nil || isTooLarge(why) {
			return why
		}
		if ctx.Err() != nil {
			return fmt.Errorf("store: %w", ctx.Err())
		}
	}
	return o.keep(ctx, m, why)
}

func (o *Outbox) direct(ctx context.Context, m *nats.Msg) error {
	limit := directTimeout
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, time.Until(deadline)/2)
	}
	_, err := o.conn.storeWithin(ctx, m, limit)
	return err
}

// keep writes m to disk. why says why NATS did not take it, nil where NATS was not asked. After any error, m may be there all the same.
func (o *Outbox) keep(ctx context.Context, m *nats.Msg, why error) error {
	if o.broken.Load() {
		return &brokenError{why}
	}
	inTime, cancel := context.WithTimeout(ctx, keepTimeout)
	defer cancel()
	if err := o.keeping.Acquire(inTime, 1); err != nil {
		return fmt.Errorf("wait for the outbox: %w", err)
	}
	if why == nil && !o.waiting.Load() { // the outbox was found empty meanwhile
		o.keeping.Release(1)
		return o.put(ctx, m)
	}
	defer o.signal() // after the release, since settled fails until then
	defer o.keeping.Release(1)
	if o.waiting.CompareAndSwap(false, true) {
		o.log.Warn("NATS did not take a message in time: it goes to disk, and those that follow behind it", "error", why)
	}
	if err := o.disk.checkSize(m, deadHeadroom); err != nil {
		return err
	}
	_, err := o.disk.js.PublishMsg(inTime, m, jetstream.WithExpectStream(outboxStream))
	if isFull(err) {
		o.noteRefused(int64(m.Size()) + headerSlack) // the file has a little more
		return fmt.Errorf("the outbox is full: %w", err)
	}
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) {
			o.doubt()
		}
		return fmt.Errorf("write to the outbox: %w", err)
	}
	o.metrics.kept.Inc()
	return nil
}

// The server's "insufficient resources" and "store failed": beyond its own limit, and beyond MaxBytes. When the disk itself is full it does not answer:
// see mending.
const (
	errCodeInsufficientResources jetstream.ErrorCode = 10023
	errCodeStoreFailed           jetstream.ErrorCode = 10077
)

func isFull(err error) bool {
	code := apiCode(err)
	return code == errCodeInsufficientResources || code == errCodeStoreFailed
}

func (o *Outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// state is what waits on disk.
func (o *Outbox) state(ctx context.Context) (jetstream.StreamState, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	info, err := o.stream.Info(ctx)
	if err != nil {
		return jetstream.StreamState{}, fmt.Errorf("look into the outbox: %w", err)
	}
	return info.State, nil
}

// Ready returns nil, or why not every message can be stored. It looks at what waits and not at how the last one fared: a small one may still have had room, and
// an earlier process, or a smaller MaxBytes, may leave more than there is room for.
func (o *Outbox) Ready(ctx context.Context) error {
	if o.broken.Load() {
		return &brokenError{}
	}
	state, err := o.state(ctx)
	if err != nil {
		return err
	}
	refused := o.refused.Load()
	if !o.hasRoom(state.Bytes, refused) {
		return errors.New("the outbox is full, or has no room for a large webhook: it has again once NATS takes what waits")
	}
	o.refused.CompareAndSwap(refused, 0)
	return nil
}

// hasRoom reports whether a large message can be kept beside what waits, and one as large as the largest that was refused; all of them can where nothing waits.
func (o *Outbox) hasRoom(waiting uint64, refused int64) bool {
	free := o.cfg.MaxBytes - int64(waiting) //nolint:gosec // less than a disk
	return waiting == 0 || free >= max(min(outboxReserve, o.cfg.MaxBytes/4), refused)
}

func (o *Outbox) noteRefused(size int64) {
	for {
		before := o.refused.Load()
		if size <= before || o.refused.CompareAndSwap(before, size) {
			return
		}
	}
}

// Close closes the store; what waits in it stays for the next process. Run must have returned. It is idempotent.
func (o *Outbox) Close() {
	o.close.Do(func() {
		if o.metrics != nil {
			o.metrics.unregister()
		}
		if o.disk != nil {
			o.disk.nc.Close()
			<-o.disk.closed
		}
		o.server.Shutdown()
	})
}
