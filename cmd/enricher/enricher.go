package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/credentials"
	"github.com/rollcall-events/rollcall/internal/enrich"
	"github.com/rollcall-events/rollcall/internal/settings"
	"github.com/rollcall-events/rollcall/internal/telemetry"
	"github.com/rollcall-events/rollcall/participants"
)

// enricher is the process: everything between the settings and the pipeline.
type enricher struct {
	settings *runSettings
	log      *slog.Logger
	book     *credentials.Book
	pipeline *enrich.Pipeline
	conn     *broker.Conn
	ops      *telemetry.Ops
	listener net.Listener // of ops
}

// enrichEvents is the command: it enriches until ctx is done, then finishes what is under way.
func enrichEvents(ctx context.Context, s *runSettings, parsed settings.Parsed, stderr io.Writer) error {
	service := process.Service{Version: cmp.Or(version, settings.Version()), Settings: parsed, Log: s.Log, Traces: s.Traces, Stderr: stderr}
	return service.Run(ctx, func(ctx context.Context, log *slog.Logger) error {
		e, err := newEnricher(ctx, s, log)
		if err != nil {
			return unlessStopped(ctx, err)
		}
		return e.run(ctx)
	})
}

// newEnricher makes the parts. The connection and the listener are opened last, so that nothing is
// left open when another part cannot be made.
func newEnricher(ctx context.Context, s *runSettings, log *slog.Logger) (*enricher, error) {
	e := &enricher{settings: s, log: log}
	reg := telemetry.NewRegistry()
	var err error
	if e.book, err = s.Twilio.Book(log); err != nil {
		return nil, err
	}
	reg.MustRegister(e.book.Metric())
	twilio := s.Twilio.Client()
	twilio.IdleConns = s.Enrichment.Concurrency
	if twilio.OnUnexpected, err = enrich.CountUnexpected(reg); err != nil {
		return nil, fmt.Errorf("count what Twilio does not document: %w", err)
	}
	client, err := participants.New(twilio)
	if err != nil {
		return nil, fmt.Errorf("set up the client of Twilio's API: %w", err)
	}
	pipeline := s.Enrichment.config()
	pipeline.Enrichers = func() int { return e.conn.Enrichers() } // there is none to ask before there are tasks
	if e.pipeline, err = enrich.New(pipeline, client, e.book, log, reg); err != nil {
		return nil, fmt.Errorf("set up the pipeline: %w", err)
	}
	return e, e.open(ctx, reg)
}

func (e *enricher) open(ctx context.Context, reg *prometheus.Registry) (err error) {
	if e.listener, err = process.Listen(ctx, "ROLLCALL_OPS_LISTEN", e.settings.Ops.Listen); err != nil {
		return err
	}
	cfg := e.settings.NATS.Broker("enricher", e.log, reg)
	cfg.Role = broker.RoleEnricher
	if e.conn, err = broker.Connect(ctx, cfg); err != nil {
		_ = e.listener.Close()
		return err
	}
	e.ops = telemetry.NewOps(e.log, reg,
		telemetry.Check{Name: "nats", Ready: e.conn.Ready},
		telemetry.Check{Name: "twilio", Ready: e.pipeline.Ready})
	return nil
}

// run works until ctx is done or a part fails. It stops in the order in which nothing is lost: readiness
// goes red, no more tasks are taken, the pipeline finishes, and only then the connection closes.
func (e *enricher) run(ctx context.Context) error {
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	parts, failed := errgroup.WithContext(background)
	parts.Go(func() error { return e.book.Run(background) })
	parts.Go(func() error { return e.ops.Run(background, e.listener) })

	piping, stopPiping := context.WithCancel(background)
	drained := make(chan error, 1)
	go func() { drained <- e.pipeline.Run(piping) }()

	err := e.takeTasks(ctx, failed)
	e.log.InfoContext(ctx, "stopping")
	stopPiping()
	err = errors.Join(err, <-drained)
	process.Close(ctx, e.conn.Close, e.log)
	stopBackground()
	return errors.Join(err, ignoreCancelled(parts.Wait()))
}

// takeTasks declares the streams and hands out tasks until ctx is done, or failed is: another part cannot go on.
func (e *enricher) takeTasks(ctx, failed context.Context) error {
	var auditing sync.WaitGroup
	defer auditing.Wait() // once working is done
	working, stopWorking := context.WithCancel(failed)
	defer stopWorking()
	stop := context.AfterFunc(ctx, func() {
		e.ops.Stopping()
		stopWorking()
	})
	defer stop()
	if !e.settings.NoProvision {
		if err := declare(working, e.conn, e.settings.Streams.topology(), e.log); err != nil {
			return unlessStopped(working, err)
		}
	}
	if after := e.settings.Enrichment.AuditAfter; after > 0 {
		auditing.Go(func() { e.conn.Audit(working, after) })
	}
	return unlessStopped(working, e.conn.Work(working, func(t *broker.Task) { e.pipeline.Handle(t) }))
}

// unlessStopped returns err, or nil once ctx is done: then err only follows from being stopped.
func unlessStopped(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}

func ignoreCancelled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
