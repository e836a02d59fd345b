package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/rollcall-events/rollcall/events"
	"github.com/rollcall-events/rollcall/internal/settings"
)

// tailCmd prints enriched events.
type tailCmd struct {
	NATS settings.NATS `embed:""`

	Subject string `placeholder:"SUBJECT" default:"rollcall.enriched.>" help:"What to subscribe to (${default}), such as rollcall.enriched.*.participant.> for everybody who comes and goes."`
	Count   int    `placeholder:"N" help:"Exit after N events; 0 never does."`
	All     bool   `help:"Begin with what is stored already, which takes the right to find and read the stream. SUBJECT must then be of one stage, as in rollcall.dead.>."`
	JSON    bool   `name:"json" help:"Print each message as it is, one a line."`
}

// patience is how long NATS may take to answer.
const patience = 5 * time.Second

func (c *tailCmd) check() (ps settings.Problems) {
	stages := []events.Stage{events.StageRaw, events.StageEnriched, events.StageDead}
	if c.All && !slices.Contains(stages, stageOf(c.Subject)) {
		ps.Add("--subject", "is not of one stage, which --all needs", "begin it with rollcall.enriched., rollcall.dead. or rollcall.raw.")
	}
	return ps
}

func (c *tailCmd) run(ctx context.Context, p *printer) error {
	ctx, conn, err := dial(ctx, c.NATS)
	if err != nil {
		return err
	}
	defer conn.Close()
	w, err := c.watch(ctx, conn)
	if err != nil {
		return because(ctx, err)
	}
	defer w.stop()
	if !c.JSON {
		p.line("%s", p.style(faint, "waiting for "+c.Subject+" (Ctrl-C ends)"))
	}
	for n := 1; ; n++ {
		select {
		case s := <-w.seen:
			c.print(p, s)
		case <-ctx.Done():
			return because(ctx, ctx.Err())
		}
		if n == c.Count {
			return nil
		}
	}
}

func (c *tailCmd) watch(ctx context.Context, conn *nats.Conn) (*watcher, error) {
	if c.All {
		return watch(ctx, conn, jetstream.DeliverAllPolicy, c.Subject)
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{seen: make(chan sighting, 64), stop: cancel}
	_, err := conn.Subscribe(c.Subject, func(m *nats.Msg) {
		if len(m.Data) == 0 { // a service asks whether NATS would store an event, and no stream keeps it
			return
		}
		select {
		case w.seen <- sight(stageOf(m.Subject), m.Subject, m.Data):
		case <-ctx.Done():
		}
	})
	if err == nil {
		err = conn.FlushTimeout(patience) // once the server has the subscription, nothing is missed
	}
	if err == nil {
		err = conn.LastError() // says so when the subscription is not allowed
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("subscribe: %w", err)
	}
	return w, nil
}

func (c *tailCmd) print(p *printer, s sighting) {
	if c.JSON {
		p.line("%s", s.data)
		return
	}
	p.seenAs(s, cmp.Or(s.name(), "?")+" → "+s.subject)
}
