package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rollcall-events/rollcall/cmd/internal/process"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/credentials"
	"github.com/rollcall-events/rollcall/internal/ingest"
	"github.com/rollcall-events/rollcall/internal/settings"
	"github.com/rollcall-events/rollcall/internal/telemetry"
)

// takeWebhooks is the command: it takes webhooks until ctx is done, then finishes those under way.
func takeWebhooks(ctx context.Context, s *commands, parsed settings.Parsed, stderr io.Writer) error {
	service := process.Service{Version: cmp.Or(version, settings.Version()), Settings: parsed, Log: s.Log, Traces: s.Traces, Stderr: stderr}
	return service.Run(ctx, func(ctx context.Context, log *slog.Logger) error { return serve(ctx, s, log) })
}

// serve starts whether NATS is there or not.
func serve(ctx context.Context, c *commands, log *slog.Logger) error {
	reg := telemetry.NewRegistry()
	cfg := c.NATS.Broker("ingest", log, reg)
	cfg.Role, cfg.FailFast = broker.RoleIngest, true
	conn, err := broker.Connect(ctx, cfg)
	if err != nil {
		return err
	}
	defer process.Close(ctx, conn.Close, log)

	store, err := openStore(ctx, conn, c.Outbox, log)
	if err != nil {
		return err
	}
	defer store.close()

	book, err := c.Twilio.Book(log)
	if err != nil {
		return err
	}
	reg.MustRegister(book.Metric())
	service, err := ingest.New(c.Webhooks.config(), store, book, log, reg)
	if err != nil {
		return err
	}
	p := parts{log: log, store: store, book: book, service: service, ops: telemetry.NewOps(log, reg, store.checks...)}
	p.stopDelay = c.Webhooks.StopDelay
	return p.run(ctx, c.Webhooks.Listen, c.Ops.Listen)
}

// parts is what runs side by side.
type parts struct {
	log     *slog.Logger
	store   *store
	book    *credentials.Book
	service *ingest.Service
	ops     *telemetry.Ops

	stopDelay time.Duration // from red readiness until no more webhooks are taken
}

// run runs everything until ctx is done or one part fails. Then readiness turns red first. When those in
// front have had the time to see it, the webhooks under way finish, and only when no more can come does the rest stop.
func (p *parts) run(ctx context.Context, address, opsAddress string) error {
	hooks, err := process.Listen(ctx, "ROLLCALL_LISTEN", address)
	if err != nil {
		return err
	}
	ops, err := process.Listen(ctx, "ROLLCALL_OPS_LISTEN", opsAddress)
	if err != nil {
		return errors.Join(err, hooks.Close())
	}
	p.log.InfoContext(ctx, "listening", slog.String("webhooks", hooks.Addr().String()), slog.String("ops", ops.Addr().String()))

	rest, stopRest := context.WithCancel(context.WithoutCancel(ctx))
	defer stopRest()
	group, rest := errgroup.WithContext(rest)
	group.Go(func() error { return p.book.Run(rest) })
	group.Go(func() error { return p.store.run(rest) })
	group.Go(func() error { return p.ops.Run(rest, ops) })

	serving, stopServing := context.WithCancel(rest)
	defer stopServing()
	defer context.AfterFunc(ctx, func() {
		p.log.InfoContext(ctx, "stopping", slog.String("delay", p.stopDelay.String()))
		p.ops.Stopping()
		select {
		case <-time.After(p.stopDelay):
		case <-rest.Done(): // a part failed
		}
		stopServing()
	})()
	err = p.service.Run(serving, hooks)
	stopRest()
	return errors.Join(err, group.Wait())
}
