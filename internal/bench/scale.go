package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/rollcall-events/rollcall/internal/load"
)

// ScaleRow is what an event costs with so many conversations and so large a backlog.
type ScaleRow struct {
	Times         int     `json:"times"`
	Conversations int     `json:"conversations"`
	Events        int     `json:"events"`
	Rate          float64 `json:"rate"`        // events a second while it drains
	Enricher      float64 `json:"enricher_us"` // processor time for each event
	NATS          float64 `json:"nats_us"`     // the same
	Calls         float64 `json:"calls"`       // to the API for each event
}

// eventsEach is how many events each conversation has in the backlog.
const eventsEach = 4

// scale drains backlogs of 1, 10 and 100 times as many conversations and events. Each event is to cost the same.
func (b *Bench) scale(ctx context.Context) error {
	for _, times := range []int{1, 10, 100} {
		row, err := b.scaleOnce(ctx, times)
		if err != nil {
			return fmt.Errorf("measure %d times as much: %w", times, err)
		}
		b.report.Scale = append(b.report.Scale, row)
		b.say("  %dx: %d events of %d conversations: %.0f/s, enricher %.0f us, NATS %.0f us", times, row.Events, row.Conversations, row.Rate, row.Enricher, row.NATS)
	}
	first, last := b.report.Scale[0], b.report.Scale[len(b.report.Scale)-1]
	b.found(defaultSync, figureScale, 100*((last.Enricher+last.NATS)/(first.Enricher+first.NATS)-1))
	return nil
}

const figureScale = "processor time per event at 100x over that at 1x, %"

func (b *Bench) scaleOnce(ctx context.Context, times int) (row ScaleRow, err error) {
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
	if err := r.queue(n, r.webhook); err != nil {
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
		Times: times, Conversations: conversations, Events: n, Rate: float64(n) / took.Seconds(),
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
