package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/broker"
	"github.com/rollcall-events/rollcall/internal/ingest"
	"github.com/rollcall-events/rollcall/internal/telemetry"
)

// store is where webhooks go, and what that needs.
type store struct {
	ingest.Store
	run    func(context.Context) error
	checks []telemetry.Check
	close  func()
}

// openStore returns a store over conn: with an outbox when there is a directory for it, else without.
func openStore(ctx context.Context, conn *broker.Conn, cfg outboxSettings, log *slog.Logger) (*store, error) {
	nats := telemetry.Check{Name: "nats", Ready: conn.Ready}
	if cfg.Dir == "" {
		log.WarnContext(ctx, "no outbox: webhooks are refused while NATS is away; ROLLCALL_OUTBOX_DIR gives them a place")
		return &store{Store: direct{conn}, run: untilDone, checks: []telemetry.Check{nats}, close: func() {}}, nil
	}
	release, err := lockDirectory(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("use ROLLCALL_OUTBOX_DIR: %w", err)
	}
	outbox, err := broker.OpenOutbox(ctx, conn, broker.OutboxConfig{Dir: cfg.Dir, MaxBytes: int64(cfg.MaxBytes)})
	if err != nil {
		release()
		return nil, err
	}
	checks := []telemetry.Check{nats, {Name: "outbox", Ready: outbox.Ready}}
	closeBoth := func() {
		outbox.Close()
		release()
	}
	return &store{Store: outbox, run: outbox.Run, checks: checks, close: closeBoth}, nil
}

func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// direct stores in NATS or not at all.
type direct struct{ conn *broker.Conn }

func (d direct) Put(ctx context.Context, e events.Event) error {
	_, err := d.conn.PublishRaw(ctx, e)
	return err
}

func (d direct) Bury(ctx context.Context, letter events.DeadLetter) error {
	return d.conn.PublishDead(ctx, letter)
}
