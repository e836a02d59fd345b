package broker

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
)

// How a lost connection is made again: for ever, and not by all clients at once.
const (
	reconnectWait   = 500 * time.Millisecond
	reconnectJitter = 500 * time.Millisecond
	connectTimeout  = 2 * time.Second
	pingInterval    = 10 * time.Second // with two missed, a silent connection is given up after 20 to 30 s
	writeTimeout    = 10 * time.Second // for one write, during which nobody else can use the connection, whatever their context says
)

// Conn is a connection to NATS that outlives every outage. Its methods may be called concurrently.
type Conn struct {
	cfg          Config
	log          *slog.Logger
	nc           *nats.Conn
	js           jetstream.JetStream
	metrics      *metrics
	denials      denials
	unstored     unstored
	acks         acks
	checkpoints  *checkpointCache
	closed       chan struct{}
	now          func() time.Time
	opened       time.Time                          // what tasks count their time from, by the monotonic clock
	decode       func([]byte) (events.Event, error) // a message of RAW
	member       string                             // this process's name among the enrichers
	takeOutage   *outage                            // tells when no tasks can be taken
	memberOutage *outage                            // tells when the other enrichers cannot be found
	payload      atomic.Int64                       // what maxPayload returns; 0 until it is known
	enrichers    atomic.Int64                       // how many processes Work, as far as this one knows; 0 while it does not
	audits       atomic.Bool                        // this process is the one that audits

	mu          sync.Mutex
	streams     map[string]jetstream.Stream // handles, not state
	consumers   map[int]*consumer           // of QUEUE's partitions: each the last that is known of
	problem     string                      // that NATS reported last
	reconnected chan struct{}               // closed when the connection is made, or made again
}

// Connect returns a Conn, also when NATS is not there yet: it then connects in the background, and it does so
// again, for ever, whenever the connection is lost. What cannot become right by waiting (a bad URL, an unreadable seed) is an error.
// No error or log line shows what a URL or a file of credentials holds.
func Connect(ctx context.Context, cfg Config) (*Conn, error) {
	if err := checkURLs(cfg.URL); err != nil {
		return nil, err
	}
	return connect(ctx, cfg)
}

// connect is Connect with more options, for a server in this process.
func connect(ctx context.Context, cfg Config, more ...nats.Option) (*Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("connect to NATS: %w", err)
	}
	opts, err := cfg.options()
	if err != nil {
		return nil, err
	}
	c := &Conn{
		cfg:         cfg,
		log:         cfg.Log,
		metrics:     newMetrics(),
		checkpoints: newCheckpointCache(cachedCheckpoints),
		closed:      make(chan struct{}),
		now:         time.Now,
		opened:      time.Now(),
		decode:      events.DecodeRaw,
		member:      rand.Text(),
		streams:     make(map[string]jetstream.Stream),
		consumers:   make(map[int]*consumer),
		reconnected: make(chan struct{}),
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	log := c.log.With("client", cfg.Name)
	c.takeOutage, c.memberOutage = newOutage(log, "take tasks"), newOutage(log, "find the other enrichers")
	if err := c.metrics.register(cfg.Registerer, cfg.Name); err != nil {
		return nil, err
	}
	c.metrics.zero(cfg.Role)
	if err := c.dial(append(append(opts, c.lifetime()...), more...)); err != nil {
		c.metrics.close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) dial(opts []nats.Option) error {
	nc, err := nats.Connect(c.cfg.URL, opts...)
	if err != nil {
		return fmt.Errorf("connect to NATS: %w", err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return fmt.Errorf("use JetStream: %w", err)
	}
	c.nc, c.js = nc, js
	return nil
}

// lifetime returns the options that keep the connection, and report on it.
func (c *Conn) lifetime() []nats.Option {
	opts := []nats.Option{
		nats.MaxReconnects(-1),
		nats.RetryOnFailedConnect(true),
		nats.IgnoreAuthErrorAbort(), // credentials may be put right on either side
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.Timeout(connectTimeout),
		nats.PingInterval(pingInterval),
		nats.FlusherTimeout(writeTimeout),
		nats.ReconnectOnFlusherError(), // what could not be written is not written later
		nats.MaxPingsOutstanding(2),
		nats.ConnectHandler(c.onConnect),
		nats.ReconnectHandler(c.onReconnect),
		nats.DisconnectErrHandler(c.onDisconnect),
		nats.ErrorHandler(c.onProblem),
		nats.ClosedHandler(func(*nats.Conn) {
			c.metrics.connected.Set(0)
			c.acks.fail("", nats.ErrConnectionClosed)
			close(c.closed)
		}),
	}
	if c.cfg.FailFast {
		opts = append(opts, nats.ReconnectBufSize(-1), nats.FlusherTimeout(directTimeout/2)) // who stores has another place, and waits for it
	}
	return opts
}

// maxPayload is how large a message the server takes; 0 while there has not been one. The client itself is asked only until it is known: it answers
// no question while it writes to a connection that stalls.
func (c *Conn) maxPayload() int64 {
	if known := c.payload.Load(); known > 0 {
		return known
	}
	return c.nc.MaxPayload()
}

// notePayload notes how large a message the server takes, and says so if that is less than there may be.
func (c *Conn) notePayload(nc *nats.Conn) {
	most := nc.MaxPayload()
	c.payload.Store(most)
	if most < maxPayload {
		c.log.Warn("NATS takes messages of max_payload at most: webhooks and events that are larger become dead letters without what Twilio sent; set max_payload to 8MB in the server's configuration",
			"client", c.cfg.Name, "server", nc.ConnectedServerName(), "max_payload", most)
	}
}

func (c *Conn) onConnect(nc *nats.Conn) {
	c.notePayload(nc)
	c.metrics.connected.Set(1)
	c.tellConnected()
	c.log.Info("connected to NATS", "client", c.cfg.Name, "server", nc.ConnectedServerName())
}

func (c *Conn) onReconnect(nc *nats.Conn) {
	c.notePayload(nc)
	c.metrics.connected.Set(1)
	c.metrics.reconnects.Inc()
	c.denials.reset()
	c.noteProblem("")
	c.tellConnected()
	c.log.Info("connected to NATS again", "client", c.cfg.Name, "server", nc.ConnectedServerName())
}

func (c *Conn) onDisconnect(nc *nats.Conn, err error) {
	c.metrics.connected.Set(0)
	c.acks.fail("", nats.ErrDisconnected) // the answers went with the connection
	if !nc.IsClosed() {
		c.log.Warn("lost the connection to NATS", "client", c.cfg.Name, "error", err)
	}
}

// onProblem handles what NATS reports out of band, and not in answer to a request.
func (c *Conn) onProblem(_ *nats.Conn, sub *nats.Subscription, err error) {
	if operation, subject, ok := deniedOperation(err); ok {
		c.metrics.reported(problemDenied)
		if c.denials.add(operation) {
			c.log.Error("NATS denied an operation", "client", c.cfg.Name, "operation", operation)
		}
		if subject != "" {
			c.acks.fail(subject, &deniedError{operation})
			c.denials.addOn(subject, operation)
		}
		return
	}
	if errors.Is(err, nats.ErrSlowConsumer) && sub != nil {
		c.metrics.reported(problemSlowConsumer)
		c.log.Warn("messages of NATS were dropped because they were taken too slowly", "client", c.cfg.Name, "subject", family(sub.Subject))
		return
	}
	c.metrics.reported(problemOther)
	if !c.noteProblem(err.Error()) {
		return
	}
	c.log.Warn("NATS reported a problem", "client", c.cfg.Name, "error", err)
}

// noteProblem notes what NATS reports, and returns whether it is another problem than the last: a login that is
// refused, say, is tried again every second.
func (c *Conn) noteProblem(problem string) (isNew bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	isNew = c.problem != problem
	c.problem = problem
	return isNew
}

// Close drains and closes, bounded by ctx. It is idempotent.
func (c *Conn) Close(ctx context.Context) error {
	defer c.metrics.close()
	if !c.nc.IsConnected() || c.nc.Drain() != nil {
		c.nc.Close()
	}
	select {
	case <-c.closed:
		return nil
	case <-ctx.Done():
		c.nc.Close()
		return fmt.Errorf("drain the connection to NATS: %w", ctx.Err())
	}
}

// nextConnection returns a channel that is closed when the connection is next made, or made again. Who gets it before
// trying something, and waits on it after that has failed, misses no connection.
func (c *Conn) nextConnection() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reconnected
}

func (c *Conn) tellConnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.reconnected)
	c.reconnected = make(chan struct{})
}

// connection reports whether the connection is up, and its number among those made so far. Two calls that say "up" with the same
// number say that it was up all the time in between.
func (c *Conn) connection() (number uint64, up bool) {
	number = c.nc.Stats().Reconnects
	up = c.nc.IsConnected()
	return number, up && c.nc.Stats().Reconnects == number // else it may be up again, not still
}

// stream returns a handle of a stream, asking the server only once.
func (c *Conn) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	c.mu.Lock()
	s, ok := c.streams[name]
	c.mu.Unlock()
	if ok {
		return s, nil
	}
	err := c.denials.do(ctx, publishing("$JS.API.STREAM.INFO."+name), func(ctx context.Context) (err error) {
		s, err = c.js.Stream(ctx, name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.streams[name] = s
	return s, nil
}
