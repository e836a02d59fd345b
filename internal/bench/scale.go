package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-events/rollcall/internal/load"
	"github.com/rollcall-events/rollcall/internal/sandbox"
)

// ScaleRow is what an event costs with so many conversations and so large a backlog.
type ScaleRow struct {
	Times         int     `json:"times"`
	Conversations int     `json:"conversations"`
	Events        int     `json:"events"`
	Apart         bool    `json:"apart"`       // the events of a conversation lie so far apart that they do not meet in the enricher
	Rate          float64 `json:"rate"`        // events a second while it drains
	Enricher      float64 `json:"enricher_us"` // processor time for each event
	NATS          float64 `json:"nats_us"`     // the same
	Calls         float64 `json:"calls"`       // to the API for each event
}

// atATime is how many conversations speak at a time.
func (r ScaleRow) atATime() int {
	if r.Apart {
		return r.Conversations
	}
	return r.Conversations / r.Times
}

// eventsEach is how many events each conversation has in the backlog.
const eventsEach = 4

// scale drains backlogs of 1, 10 and 100 times as many conversations and events. Each event is to cost the same: where as many conversations
// speak at a time, as when more has piled up, and where all do, as when there is more traffic.
func (b *Bench) scale(ctx context.Context) error {
	for _, step := range []struct {
		times int
		apart bool
	}{{1, false}, {10, false}, {100, false}, {100, true}} {
		row, err := b.scaleOnce(ctx, step.times, step.apart)
		if err != nil {
			return fmt.Errorf("measure %d times as much: %w", step.times, err)
		}
		b.report.Scale = append(b.report.Scale, row)
		b.say("  %dx: %d events of %d conversations: %.0f/s, enricher %.0f us, NATS %.0f us", row.Times, row.Events, row.Conversations, row.Rate, row.Enricher, row.NATS)
	}
	first, last := b.report.Scale[0], b.report.Scale[2:]
	for i, figure := range []string{figureScale, figureScaleApart} {
		b.found(defaultSync, figure, 100*((last[i].Enricher+last[i].NATS)/(first.Enricher+first.NATS)-1))
	}
	return nil
}

const (
	figureScale      = "processor time per event at 100x over that at 1x, %"
	figureScaleApart = "the same with all conversations speaking at a time, %"
)

// order is the conversation of the nth event of a backlog.
func (b *Bench) order(conversations int, apart bool) func(n int) int {
	if apart {
		return func(n int) int { return n % conversations }
	}
	atATime := b.size.scale
	return func(n int) int { return n/(atATime*eventsEach)*atATime + n%atATime }
}

func (b *Bench) scaleOnce(ctx context.Context, times int, apart bool) (row ScaleRow, err error) {
	conversations := b.size.scale * times
	r, err := b.startRig(ctx, false, 0, load.TrafficConfig{
		Conversations: conversations, Participants: 1, Mix: load.MessagesAlone, MessageBytes: 1024, Seed: 6,
	})
	if err != nil {
		return row, err
	}
	defer r.close()
	idle, err := r.startCost(ctx)
	if err != nil {
		return row, err
	}
	n := conversations * eventsEach
	order, made := b.order(conversations, apart), 0
	if err := r.queue(n, func() sandbox.Webhook {
		made++
		return r.traffic.Webhook(order(made - 1))
	}); err != nil {
		return row, err
	}
	before, err := r.snapshot(ctx)
	if err != nil {
		return row, err
	}
	before.enricher = 0 // it has not started
	if err := r.startEnricher(ctx); err != nil {
		return row, err
	}
	start := time.Now()
	if err := r.stored.Settle(ctx, r.ledger.Owed()); err != nil {
		return row, err
	}
	took := time.Since(start)
	after, err := r.snapshot(ctx)
	if err != nil {
		return row, err
	}
	each := func(from, to time.Duration) float64 { return float64((to - from).Microseconds()) / float64(n) }
	return ScaleRow{
		Times: times, Conversations: conversations, Events: n, Apart: apart, Rate: float64(n) / took.Seconds(),
		Enricher: each(before.enricher+idle, after.enricher), NATS: each(before.nats, after.nats),
		Calls: float64(after.calls-before.calls) / float64(n),
	}, r.settle(ctx)
}

// startCost is the processor time that an enricher takes until it is ready, with nothing to do.
func (r *rig) startCost(ctx context.Context) (time.Duration, error) {
	if err := r.startEnricher(ctx); err != nil {
		return 0, err
	}
	u, err := r.enricher.usage()
	r.enricher.stop()
	r.enricher = nil
	return u.cpu, err
}
