package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// maxPayload is how large a message may be: a raw event of 1 MiB and whom it is enriched with, or an authentic
// body of as much in base64.
const maxPayload = 8 << 20

// readyTimeout bounds the start of an embedded server.
const readyTimeout = 10 * time.Second

// EmbeddedConfig is for a nats-server inside this process.
type EmbeddedConfig struct {
	Dir        string // JetStream's store, made where it is not there; for this server alone
	Listen     string // host:port for clients, "" for none but in-process
	SyncAlways bool   // fsync before every acknowledgement
	MaxStore   int64  // most bytes in the store; 0 for what is free when it starts
	Name       string
	Log        *slog.Logger // what the server itself has to say; may be nil
}

// MayOutlive is the function of nats-server whose goroutine may outlive Shutdown, for at most 30 s: it waits for the
// answer to a request that a stopped server does not send any more. It is exported for tests that look for leaks.
const MayOutlive = "github.com/nats-io/nats-server/v2/server.(*stream).trySetupSourceConsumer.func3"

// Embedded is a running nats-server.
type Embedded struct {
	server *server.Server
	opts   *server.Options
	listen bool
}

// StartEmbedded starts a server and returns when it takes connections.
func StartEmbedded(ctx context.Context, cfg EmbeddedConfig) (*Embedded, error) {
	opts, err := cfg.options()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start embedded NATS: %w", err)
	}
	return startEmbedded(ctx, opts, cfg.Log)
}

func (cfg EmbeddedConfig) options() (*server.Options, error) {
	if cfg.Dir == "" {
		return nil, errors.New("embedded NATS: a directory is needed")
	}
	opts := &server.Options{
		ServerName:             cfg.Name,
		DontListen:             cfg.Listen == "",
		JetStream:              true,
		StoreDir:               cfg.Dir,
		SyncAlways:             cfg.SyncAlways,
		JetStreamMaxStore:      cfg.MaxStore,
		MaxPayload:             maxPayload,
		NoSigs:                 true,
		NoLog:                  true, // to a file or stdout
		DisableJetStreamBanner: true,
	}
	if opts.DontListen {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(cfg.Listen)
	if err != nil {
		return nil, errors.New("embedded NATS: listen must be host:port")
	}
	opts.Host = host
	if opts.Port, err = strconv.Atoi(port); err != nil || opts.Port < 0 || opts.Port > 65535 {
		return nil, errors.New("embedded NATS: the port to listen on must be 0 to 65535")
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	return opts, nil
}

func startEmbedded(ctx context.Context, opts *server.Options, log *slog.Logger) (*Embedded, error) {
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("start embedded NATS: %w", err)
	}
	if log != nil {
		s.SetLoggerV2(serverLog{log}, false, false, false)
	}
	e := &Embedded{server: s, opts: opts, listen: !opts.DontListen}
	started := make(chan struct{})
	go func() {
		s.Start()
		close(started)
	}()
	timeout := readyTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = min(timeout, time.Until(deadline))
	}
	if !s.ReadyForConnections(timeout) || !s.JetStreamEnabled() || ctx.Err() != nil {
		<-started
		e.Shutdown()
		return nil, errors.Join(errors.New("start embedded NATS: it did not become ready: is its directory usable, and its port free?"), ctx.Err())
	}
	return e, nil
}

// ClientURL is what a client connects to; "" without a listener.
func (e *Embedded) ClientURL() string {
	if !e.listen {
		return ""
	}
	return e.server.ClientURL()
}

// Connect returns a Conn to the embedded server without a socket. cfg.URL is not used.
func (e *Embedded) Connect(ctx context.Context, cfg Config) (*Conn, error) {
	cfg.URL = ""
	return connect(ctx, cfg, nats.InProcessServer(e.server))
}

// reopen closes JetStream's store and opens it again. Connections stay, and what they hold of its streams is good again.
func (e *Embedded) reopen() error {
	if err := e.server.ShutdownJetStream(); err != nil {
		return fmt.Errorf("close the store: %w", err)
	}
	err := e.server.EnableJetStream(&server.JetStreamConfig{StoreDir: e.opts.StoreDir, MaxStore: e.opts.JetStreamMaxStore}) // SyncAlways is taken from the options
	if err != nil {
		return errors.Join(fmt.Errorf("open the store again: %w", err), e.server.ShutdownJetStream()) // not half open
	}
	return nil
}

// Shutdown stops the server and waits for it. It is idempotent.
func (e *Embedded) Shutdown() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// serverLog passes on what the server says. Its notices are of no interest to an operator of ours.
type serverLog struct{ log *slog.Logger }

func (l serverLog) say(level slog.Level, format string, args []any) {
	l.log.Log(context.Background(), level, "embedded NATS", "message", fmt.Sprintf(format, args...))
}

// Noticef is for what an operator of ours need not know.
func (l serverLog) Noticef(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Debugf is never called: debugging is off.
func (l serverLog) Debugf(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Tracef is never called: tracing is off.
func (l serverLog) Tracef(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Warnf is a warning.
func (l serverLog) Warnf(format string, args ...any) { l.say(slog.LevelWarn, format, args) }

// Errorf is an error.
func (l serverLog) Errorf(format string, args ...any) { l.say(slog.LevelError, format, args) }

// Fatalf is an error here: a library does not end its process.
func (l serverLog) Fatalf(format string, args ...any) { l.say(slog.LevelError, format, args) }
