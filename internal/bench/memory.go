package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rollcall-events/rollcall/internal/load"
)

// The figures of memory. All are of resident memory.
const (
	figureIngestMemory   = "ingest, most while the backlog comes in, MiB"
	figureOutboxMemory   = "ingest, most with the backlog in its outbox, MiB"
	figureSlowMemory     = "enricher, most with the backlog queued and an API that does not answer, MiB"
	figureDrainMemory    = "enricher, most while the backlog drains, MiB"
	figureIngestGrowth   = "ingest, growth from the 2nd to the last quarter of the watch, %"
	figureEnricherGrowth = "enricher, growth from the 2nd to the last quarter of the watch, %"
	figureIngestSteady   = "ingest, most during the watch, MiB"
	figureEnricherSteady = "enricher, most during the watch, MiB"
)

func backlog() load.TrafficConfig {
	return load.TrafficConfig{Conversations: 5000, Participants: 2, Mix: load.RealMix, MessageBytes: 1024, Seed: 4}
}

// memory measures what ingest and the enricher take while a backlog is there.
func (b *Bench) memory(ctx context.Context) error {
	b.say("memory with %d events queued", b.size.backlog)
	if err := b.drainMemory(ctx); err != nil {
		return fmt.Errorf("measure memory: %w", err)
	}
	if err := b.slowMemory(ctx); err != nil {
		return fmt.Errorf("measure memory with a slow API: %w", err)
	}
	if err := b.outboxMemory(ctx); err != nil {
		return fmt.Errorf("measure memory of the outbox: %w", err)
	}
	return nil
}

// drainMemory lets ingest take the backlog, and an enricher drain it.
func (b *Bench) drainMemory(ctx context.Context) error {
	r, err := b.startRig(ctx, false, apiLatency, backlog())
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.startIngest(ctx); err != nil {
		return err
	}
	if err := r.fill(ctx, b.size.backlog); err != nil {
		return err
	}
	if err := b.foundPeak(r.ingest, figureIngestMemory); err != nil {
		return err
	}
	if err := r.startEnricher(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	return b.foundPeak(r.enricher, figureDrainMemory)
}

// slowMemory lets an enricher hold as much of the backlog as it takes, because no call is answered for a while.
func (b *Bench) slowMemory(ctx context.Context) error {
	r, err := b.startRig(ctx, false, b.size.slow, backlog())
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.queue(b.size.backlog, r.webhook); err != nil {
		return err
	}
	if err := r.startEnricher(ctx); err != nil {
		return err
	}
	if err := b.wait(ctx, b.size.slow*9/10); err != nil {
		return err
	}
	if err := b.foundPeak(r.enricher, figureSlowMemory); err != nil {
		return err
	}
	if err := r.setLatency(ctx, apiLatency); err != nil {
		return err
	}
	return r.settle(ctx)
}

// fill sends n webhooks through ingest, a part at a time.
func (r *rig) fill(ctx context.Context, n int) error {
	for n > 0 {
		part := min(n, atOnce)
		_, notes, err := r.b.post(ctx, posting{name: "backlog", url: r.ingestURL, traffic: r.traffic, n: part})
		if err != nil {
			return err
		}
		load.Enter(r.ledger, notes)
		n -= part
	}
	return nil
}

// outboxMemory lets ingest take the backlog while NATS is away, and give it to NATS when that is back.
func (b *Bench) outboxMemory(ctx context.Context) error {
	r, err := b.startRig(ctx, false, 0, backlog())
	if err != nil {
		return err
	}
	defer r.close()
	if err := r.startIngest(ctx); err != nil {
		return err
	}
	r.nats.stop()
	if err := r.fill(ctx, b.size.backlog); err != nil {
		return err
	}
	if err := b.foundPeak(r.ingest, figureOutboxMemory); err != nil {
		return err
	}
	if err := r.restartNATS(ctx); err != nil {
		return err
	}
	return r.settle(ctx)
}

func (b *Bench) foundPeak(p *process, figure string) error {
	u, err := p.usage()
	if err != nil {
		return err
	}
	b.found(defaultSync, figure, mebibytes(u.peak))
	return nil
}

func (b *Bench) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// soak watches the memory of both under a steady load.
func (b *Bench) soak(ctx context.Context) error {
	b.say("memory under a steady load, for %v", b.size.soak)
	b.report.Soak = b.size.soak.String()
	r, err := b.startRig(ctx, false, apiLatency, load.TrafficConfig{
		Conversations: b.size.most, Participants: 2, Mix: load.RealMix, Skew: 1.1, Bursts: true, MessageBytes: 1024, Seed: 5,
	})
	if err != nil {
		return err
	}
	defer r.close()
	if err := errors.Join(r.startIngest(ctx), r.startEnricher(ctx)); err != nil {
		return err
	}
	var ingest, enricher []float64
	for end := time.Now().Add(b.size.soak); time.Now().Before(end); {
		if err := r.steady(ctx, endToEndRate); err != nil { // for a second
			return err
		}
		i, err1 := r.ingest.usage()
		e, err2 := r.enricher.usage()
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		ingest, enricher = append(ingest, mebibytes(i.resident)), append(enricher, mebibytes(e.resident))
	}
	b.found(defaultSync, figureIngestSteady, slices.Max(ingest))
	b.found(defaultSync, figureEnricherSteady, slices.Max(enricher))
	b.found(defaultSync, figureIngestGrowth, growth(ingest))
	b.found(defaultSync, figureEnricherGrowth, growth(enricher))
	return r.settle(ctx)
}

// growth is how much larger the median of the last quarter is than that of the second, in percent: the first is for warming up.
func growth(series []float64) float64 {
	quarter := max(len(series)/4, 1)
	second, last := series[min(quarter, len(series)-1):min(2*quarter, len(series))], series[len(series)-quarter:]
	if len(second) == 0 {
		return 0
	}
	return 100 * (median(last)/median(second) - 1)
}
