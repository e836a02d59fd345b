package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/credentials"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/internal/ingest"
	"github.com/rollcall-events/rollcall/internal/sandbox"
	"github.com/rollcall-events/rollcall/participants"
	"github.com/rollcall-events/rollcall/validation"
)

// stopTimeout bounds how long each part takes to stop: Ctrl-C should end the sandbox at once.
const stopTimeout = 2 * time.Second

// pipelineConfig is what a pipeline is made of.
type pipelineConfig struct {
	dir        string // of JetStream
	listen     string // of the ingest
	natsListen string
	publicURL  string // a comma-separated list; "" is where the ingest listens
	account    validation.SID
	token      validation.Secret
	world      *sandbox.World
	faults     []sandbox.Fault
	log        *slog.Logger
}

// pipeline is everything, running in this process.
type pipeline struct {
	webhooks string   // base URL of the ingest
	public   string   // base URL that signatures are for
	twilio   string   // base URL of the fake Twilio
	nats     string   // URL for clients
	moved    []string // what listens elsewhere than asked, in words

	cancel  context.CancelFunc
	parts   *errgroup.Group
	closers []func() // run last to first, once the parts have stopped
}

// startPipeline starts everything. The context that it returns is done when a part fails, or at stop.
func startPipeline(ctx context.Context, cfg pipelineConfig) (*pipeline, context.Context, error) {
	ctx, cancel := context.WithCancel(ctx)
	p := &pipeline{cancel: cancel}
	p.parts, ctx = errgroup.WithContext(ctx)
	if err := p.start(ctx, cfg); err != nil {
		_ = p.stop() // its error matters less
		return nil, nil, err
	}
	return p, ctx, nil
}

func (p *pipeline) start(ctx context.Context, cfg pipelineConfig) error {
	server, err := p.startNATS(ctx, cfg)
	if err != nil {
		return err
	}
	if err := p.startTwilio(ctx, cfg); err != nil {
		return err
	}
	book, err := credentials.Fixed(credentials.Account{
		SID: cfg.account, SigningKeys: []validation.Secret{cfg.token},
		API: &participants.Credentials{Username: string(cfg.account), Password: cfg.token},
	})
	if err != nil {
		return fmt.Errorf("set up the account: %w", err)
	}
	if err := p.startIngest(ctx, cfg, server, book); err != nil {
		return err
	}
	return p.startEnricher(ctx, cfg, server, book)
}

// stop stops everything, in bounded time, and returns the error of a part that failed before.
func (p *pipeline) stop() error {
	p.cancel()
	err := p.parts.Wait()
	for _, closePart := range slices.Backward(p.closers) {
		closePart()
	}
	return err
}

// run runs one part in the background. If it fails, everything stops.
func (p *pipeline) run(ctx context.Context, name string, part func(context.Context) error) {
	p.parts.Go(func() error {
		if err := part(ctx); err != nil && ctx.Err() == nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	})
}

func (p *pipeline) startNATS(ctx context.Context, cfg pipelineConfig) (*broker.Embedded, error) {
	listen, taken, err := freeAddress(ctx, cfg.natsListen)
	if err != nil {
		return nil, err
	}
	server, err := broker.StartEmbedded(ctx, broker.EmbeddedConfig{Dir: cfg.dir, Listen: listen, Name: "rollcall-sandbox"})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, server.Shutdown)
	p.nats = server.ClientURL()
	p.tellMoved(taken, "NATS is at "+p.nats)
	return server, nil
}

// tellMoved notes where something is because of taken, the error of listening where it was asked to be.
func (p *pipeline) tellMoved(taken error, where string) {
	if taken == nil {
		return
	}
	address, why := "the address", taken
	if op, ok := errors.AsType[*net.OpError](taken); ok && op.Addr != nil {
		address, why = op.Addr.String(), op.Err
	}
	p.moved = append(p.moved, fmt.Sprintf("%s cannot be listened on (%v): %s instead", address, why, where))
}

func (p *pipeline) startTwilio(ctx context.Context, cfg pipelineConfig) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the fake Twilio: %w", err)
	}
	p.twilio = "http://" + l.Addr().String()
	twilio := sandbox.NewTwilio(cfg.world)
	twilio.Script(cfg.faults...)
	p.run(ctx, "fake Twilio", func(ctx context.Context) error { return serve(ctx, l, twilio) })
	return nil
}

func (p *pipeline) startIngest(ctx context.Context, cfg pipelineConfig, server *broker.Embedded, book *credentials.Book) error {
	registry := prometheus.NewRegistry()
	conn, err := p.connect(ctx, cfg, server, "ingest", registry)
	if err != nil {
		return err
	}
	if err := conn.Provision(ctx, broker.Topology{}); err != nil {
		return err
	}
	l, taken, err := listenOrFree(ctx, cfg.listen)
	if err != nil {
		return err
	}
	p.webhooks = "http://" + l.Addr().String()
	p.tellMoved(taken, "webhooks go to "+p.webhooks)
	public := strings.Split(cmp.Or(cfg.publicURL, p.webhooks), ",")
	p.public = public[0]
	service, err := ingest.New(ingest.Config{PublicURLs: public, StopTimeout: stopTimeout}, store{conn}, book, cfg.log, registry)
	if err != nil {
		_ = l.Close() // its error matters less
		return err
	}
	p.run(ctx, "ingest", func(ctx context.Context) error { return service.Run(ctx, l) })
	return nil
}

func (p *pipeline) startEnricher(ctx context.Context, cfg pipelineConfig, server *broker.Embedded, book *credentials.Book) error {
	registry := prometheus.NewRegistry()
	conn, err := p.connect(ctx, cfg, server, "enricher", registry)
	if err != nil {
		return err
	}
	client, err := participants.New(participants.Config{ConversationsURL: p.twilio, FlexURL: p.twilio})
	if err != nil {
		return err
	}
	enricher, err := enrich.New(enrich.Config{StopTimeout: stopTimeout}, client, book, cfg.log, registry)
	if err != nil {
		return err
	}
	p.run(ctx, "enricher", enricher.Run)
	p.run(ctx, "enricher's work", func(ctx context.Context) error {
		return conn.Work(ctx, func(t *broker.Task) { enricher.Handle(t) })
	})
	p.run(ctx, "audit", func(ctx context.Context) error {
		conn.Audit(ctx, broker.DefaultAuditAfter)
		return nil
	})
	return nil
}

func (p *pipeline) connect(
	ctx context.Context, cfg pipelineConfig, server *broker.Embedded, name string, registry prometheus.Registerer,
) (*broker.Conn, error) {
	conn, err := server.Connect(ctx, broker.Config{Name: name, Log: cfg.log, Registerer: registry})
	if err != nil {
		return nil, err
	}
	p.closers = append(p.closers, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			cfg.log.Warn("connection did not close", "name", name, "error", err)
		}
	})
	return conn, nil
}

// store stores in NATS what the ingest receives.
type store struct{ conn *broker.Conn }

func (s store) Put(ctx context.Context, e events.Event) error {
	_, err := s.conn.PublishRaw(ctx, e)
	return err
}

func (s store) Bury(ctx context.Context, d events.DeadLetter) error {
	return s.conn.PublishDead(ctx, d)
}

// serve serves h on l until ctx is done, then aborts the requests that are under way.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() }) // the listener goes with the process anyway
	defer stop()
	err := server.Serve(l)
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// listenOrFree listens on address or, when that cannot be, on a free port of the same host; taken is why then.
func listenOrFree(ctx context.Context, address string) (l net.Listener, taken, err error) {
	var config net.ListenConfig
	l, taken = config.Listen(ctx, "tcp", address)
	if taken == nil {
		return l, nil, nil
	}
	host, _, bad := net.SplitHostPort(address)
	if bad != nil {
		return nil, nil, fmt.Errorf("listen: %w", taken)
	}
	if l, err = config.Listen(ctx, "tcp", net.JoinHostPort(host, "0")); err != nil {
		return nil, nil, fmt.Errorf("listen: %w", err)
	}
	return l, taken, nil
}

// freeAddress is address or, when that cannot be listened on, a free port of the same host; taken is why then.
func freeAddress(ctx context.Context, address string) (free string, taken, err error) {
	l, taken, err := listenOrFree(ctx, address)
	if err != nil {
		return "", nil, err
	}
	free = l.Addr().String()
	if err := l.Close(); err != nil {
		return "", nil, fmt.Errorf("free %s: %w", free, err)
	}
	return free, taken, nil
}
